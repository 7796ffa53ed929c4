# What jq is recorded doing with the deliveries: several questions, each a filter people write.
def money: . * 100 | round / 100;
def total: [.items[] | .count * .price] | add;

{
  towns: group_by(.town) | map({town: .[0].town, orders: length, sum: (map(total) | add | money)}),
  unpaid: map(select(.paid | not) | {id, note, sum: total}) | sort_by(-.sum) | .[:50],
  tags: (reduce .[].tags[] as $tag ({}; .[$tag] += 1) | to_entries | sort_by(.value) | from_entries),
  spoons: [.[] | select((.note // "") | test("spoon (lamp|rope)"))
    | .note |= gsub("spoon"; "ladle") | {id, note}],
  map: map(select(.id % 5 == 0) | "\(.town) \(.at.lat),\(.at.lon)") | join("; "),
  paths: [.[:40][] | paths(scalars) | map(tostring) | join(".")] | unique | length
}
