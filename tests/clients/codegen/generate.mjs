// graphql-codegen on the SDL: SCHEMA in, into the folder OUT the types of the schema and those of documents.graphql.
import { readFileSync, writeFileSync } from "node:fs";
import { codegen } from "@graphql-codegen/core";
import * as typescript from "@graphql-codegen/typescript";
import * as operations from "@graphql-codegen/typescript-operations";
import { parse } from "graphql";

const { SCHEMA, OUT } = process.env;

const text = "string";
const config = {
  enumsAsTypes: true,
  strictScalars: true,
  scalars: {
    BigInt: text, Currency: text, Date: text, DateTime: text, Decimal: text, JSON: "unknown", Lenient: "unknown",
  },
};
const schema = parse(readFileSync(SCHEMA, "utf8"));
const document = parse(readFileSync(new URL("documents.graphql", import.meta.url), "utf8"));

async function write(name, plugin, documents) {
  const filename = `${OUT}/${name}.ts`;
  const pluginMap = { [name]: plugin };
  writeFileSync(filename, await codegen({ filename, schema, documents, plugins: [{ [name]: {} }], pluginMap, config }));
}

await write("schema", typescript, []);
await write("operations", operations, [{ location: "documents.graphql", document }]);
