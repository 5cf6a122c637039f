// Prints what a heap snapshot holds, by the arithmetic that its "meta" describes; any inconsistency is an error.
"use strict";
const assert = require("assert");
const { snapshot, nodes, edges, strings } = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
const { node_fields, node_types, edge_fields, edge_types } = snapshot.meta;
const [type, name, size, count] = ["type", "name", "self_size", "edge_count"].map((f) => node_fields.indexOf(f));
const [kind, label, target] = ["type", "name_or_index", "to_node"].map((f) => edge_fields.indexOf(f));
assert.strictEqual(nodes.length, snapshot.node_count * node_fields.length);
assert.strictEqual(edges.length, snapshot.edge_count * edge_fields.length);
const census = { strings: strings.length };
const add = (key, value) => (census[key] = (census[key] || 0) + value);
let edge = 0;
for (let node = 0; node < nodes.length; node += node_fields.length) {
  const word = node_types[type][nodes[node + type]];
  assert(nodes[node + name] < strings.length);
  add(`${word} nodes`, 1);
  add(`${word} bytes`, nodes[node + size]);
  if (word === "object") add(`instances of ${strings[nodes[node + name]]}`, 1);
  for (const end = edge + nodes[node + count] * edge_fields.length; edge < end; edge += edge_fields.length) {
    const way = edge_types[kind][edges[edge + kind]];
    assert.strictEqual(edges[edge + target] % node_fields.length, 0);
    assert(edges[edge + target] < nodes.length);
    if (way !== "element" && way !== "hidden") assert(edges[edge + label] < strings.length);
    add(`${way} edges`, 1);
    add(`edges to ${node_types[type][nodes[edges[edge + target] + type]]}`, 1);
  }
}
assert.strictEqual(edge, edges.length);
for (const text of strings) add(`strings of ${text.length} characters`, 1);
console.log(JSON.stringify(census));
