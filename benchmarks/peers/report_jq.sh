#!/bin/sh
# The report's question without its percentiles, from the lean file: jq picks the fields, awk counts and sums them.
jq -r '[.request_model, .route, .tenant_id, .outcome, .output_tokens // "", .rendered_output_tokens // 0, .cost_usd // 0]
    | @tsv' "$1" |
    awk -F '\t' '
        { key = $1 "," $2 "," $3; calls[key]++; output[key] += $5; cost[key] += $7 }
        $4 == "cancelled" { cancelled[key]++; if ($5 != "") tax[key] += $5 - $6 }
        END { for (key in calls) print key "," calls[key] "," cancelled[key] + 0 "," output[key] "," tax[key] + 0 "," cost[key] }'
