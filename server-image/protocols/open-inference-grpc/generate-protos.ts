// Writes protos.ts from proto/*.proto (`make generate`), or, with --check, fails when the committed one is out of date.

import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";

import protobuf from "protobufjs";
import descriptor from "protobufjs/ext/descriptor/index.js";

const OUTPUT = path.join(import.meta.dirname, "protos.ts");

interface ProtoFile {
  /** As reflection gives it to clients. */
  readonly name: string;
  readonly package: string;
  readonly source: string;
  /** Packages whose messages are the same under another name. */
  readonly renamed?: string;
}

const FILES: readonly ProtoFile[] = [
  { name: "inference.proto", package: "inference", source: "inference.proto" },
  { name: "grpc/health/v1/health.proto", package: "grpc.health.v1", source: "health.proto" },
  { name: "grpc/reflection/v1/reflection.proto", package: "grpc.reflection.v1", source: "reflection.proto" },
  {
    name: "grpc/reflection/v1alpha/reflection.proto",
    package: "grpc.reflection.v1alpha",
    source: "reflection.proto",
    renamed: "grpc.reflection.v1",
  },
];

/** What protos.ts must be. */
export async function generatedProtos(): Promise<string> {
  const root = new protobuf.Root();
  for (const file of FILES) {
    const text = await readFile(path.join(import.meta.dirname, "proto", file.source), "utf8");
    const source = file.renamed === undefined ? text : text.replace(file.renamed, file.package);
    protobuf.parse(source, root, { keepCase: true });
  }
  root.resolveAll();
  const set = root.toDescriptor("proto3");
  const files = FILES.map(({ name, package: packageName }) => {
    const file = set.file.find((candidate) => candidate.package === packageName);
    if (file === undefined) {
      throw new Error(`no package ${packageName} in ${name}`);
    }
    file.name = name;
    file.syntax = "proto3";
    for (const message of file.messageType ?? []) {
      qualify(message, root.lookupType(`${packageName}.${message.name}`));
    }
    const bytes = descriptor.FileDescriptorProto.encode(file).finish();
    return { name, package: packageName, descriptor: Buffer.from(bytes).toString("base64") };
  });
  return [
    "// Generated from proto/*.proto by `make generate`. Do not edit.",
    "",
    "/** All messages and services in the JSON form of protobufjs. */",
    `export const MESSAGES =\n  ${toLiteral(JSON.stringify(root.toJSON()))};`,
    "",
    "/** The files as reflection serves them: a google.protobuf.FileDescriptorProto each, in base64. */",
    "export const FILES = [",
    ...files.flatMap((file) => [
      "  {",
      `    name: ${JSON.stringify(file.name)},`,
      `    package: ${JSON.stringify(file.package)},`,
      `    descriptor:\n      ${JSON.stringify(file.descriptor)},`,
      "  },",
    ]),
    "] as const;",
    "",
  ].join("\n");
}

function toLiteral(json: string): string {
  return `'${json.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

/** protobufjs leaves names of types relative and map entries misnamed, which strict clients refuse. */
function qualify(message: descriptor.IDescriptorProto, type: protobuf.Type): void {
  for (const field of message.field ?? []) {
    const resolved = type.fields[field.name ?? ""];
    if (resolved instanceof protobuf.MapField) {
      qualifyMap(message, field, resolved);
    } else if (resolved?.resolvedType) {
      field.typeName = resolved.resolvedType.fullName;
    }
  }
  for (const nested of message.nestedType ?? []) {
    const nestedType = type.nested?.[nested.name ?? ""];
    if (nestedType instanceof protobuf.Type) {
      qualify(nested, nestedType);
    }
  }
}

function qualifyMap(
  message: descriptor.IDescriptorProto,
  field: descriptor.IFieldDescriptorProto,
  resolved: protobuf.MapField,
): void {
  const entry = message.nestedType?.find(({ name }) => name === field.typeName);
  const value = entry?.field?.find(({ name }) => name === "value");
  if (entry === undefined || value === undefined) {
    throw new Error(`no map entry for ${resolved.fullName}`);
  }
  entry.name = `${entry.name}Entry`;
  field.typeName = `${resolved.parent?.fullName}.${entry.name}`;
  if (resolved.resolvedType) {
    value.typeName = resolved.resolvedType.fullName;
  }
}

if (import.meta.main) {
  const generated = await generatedProtos();
  const current = (await readFile(OUTPUT, "utf8").catch(() => undefined)) === generated;
  if (!current && process.argv.includes("--check")) {
    process.stdout.write(
      `${path.relative(process.cwd(), OUTPUT)} is out of date: run \`make generate\` and commit the result\n`,
    );
    process.exitCode = 1;
  } else if (!current) {
    await writeFile(OUTPUT, generated);
    process.stdout.write(`wrote ${path.relative(process.cwd(), OUTPUT)}\n`);
  }
}
