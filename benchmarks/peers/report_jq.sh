#!/bin/sh
# The report's question without its percentiles, from the lean file: jq picks the fields, awk counts and sums them.
jq -r '[.request_model, .route, .tenant_id, .outcome, .output_tokens // "", .rendered_output_tokens // 0, .cost_usd // 0]
    | @tsv' "$1" |
    awk -F '\t' '
        { key = $1 "," $2 "," $3; calls[key]++; output[key] += $5; cost[key] += $7 }
        $4 == "cancelled" { cancelled[key]++; if ($5 != "") tax[key] += $5 - $6 }
        END {
            print "model,route,tenant,calls,cancelled_calls,output_tokens,tax_tokens,cost_usd"
            for (key in calls)
                printf "%s,%d,%d,%.15g,%.15g,%.15g\n", key, calls[key], cancelled[key], output[key], tax[key], cost[key]
        }'
