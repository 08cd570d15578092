// Which storage URIs the API server admits, by the very rules that it is given.

import { describe, expect, test } from "vitest";
import { customResourceDefinition } from "./custom-resource-definition.ts";

const rules = [...JSON.stringify(customResourceDefinition()).matchAll(/"rule":"(!?)self\.matches\('(.*?)'\)"/g)];

function isAdmitted(storageUri: string): boolean {
  return rules.every(
    ([, not = "", pattern = ""]) => new RegExp(JSON.parse(`"${pattern}"`)).test(storageUri) === (not === ""),
  );
}

test("there is a rule for what it must be, and one for what it must not contain", () => {
  expect(rules).toHaveLength(2);
});

describe("admitted", () => {
  test.each([
    "https://models.example.com/resnet/7/model.onnx",
    "http://10.0.0.1:9000/model.onnx?signature=x",
    "s3://models",
    "s3://models/resnet/",
    "s3://my.models-2/resnet/model.tar.gz",
    "gs://models_eu/resnet",
    "hf://owner/repo/model.onnx",
    "hf://Owner-1/repo.v2@refs%2Fpr%2F1/onnx/model.onnx",
    "pvc://claim/model.onnx",
    "oci://registry.example.com/models/resnet",
    "oci://registry.example.com:5000/resnet:7",
    `oci://registry.example.com/resnet:7@sha256:${"a".repeat(64)}`,
  ])("%s", (storageUri) => {
    expect(isAdmitted(storageUri)).toBe(true);
  });
});

describe("refused", () => {
  test.each([
    "",
    "/models/model.onnx",
    "file:///etc/passwd",
    "ftp://host/model.onnx",
    "https://me:secret@host/model.onnx",
    "https://host",
    "s3://key:secret@models/model.onnx",
    "s3:///model.onnx",
    "s3://Models/model.onnx",
    "gs://-models/model.onnx",
    "hf://owner/repo",
    "hf://repo/model.onnx",
    "hf://owner/repo/model.onnx?token=x",
    "hf://me:secret@owner/repo/model.onnx",
    "pvc://claim/../../etc/passwd",
    "s3://models/../others",
    "oci://resnet",
    "oci://me:secret@registry.example.com/resnet",
    "oci://registry.example.com/resnet@sha256:abc",
  ])("%s", (storageUri) => {
    expect(isAdmitted(storageUri)).toBe(false);
  });
});
