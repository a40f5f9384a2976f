# The report's question without its percentiles: jq -n -f report.jq FILE. Counts and sums per model, route and tenant.
reduce inputs as $call ({};
    ([$call.request_model, $call.route, $call.tenant_id] | join(" ")) as $key
    | .[$key].calls += 1
    | .[$key].output_tokens += ($call.output_tokens // 0)
    | .[$key].cost_usd += ($call.cost_usd // 0)
    | if $call.outcome == "cancelled" then
        .[$key].cancelled_calls += 1
        | .[$key].tax_tokens += (($call.output_tokens // 0) - ($call.rendered_output_tokens // 0))
      else . end)
