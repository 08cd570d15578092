// The flags about storage: defaults, and complaints that say what is allowed.

import { describe, expect, test } from "vitest";

import { type Config, parseConfig } from "../config.ts";
import { STORAGE_NOT_GIVEN } from "./options.ts";

function parse(argv: readonly string[], print: (text: string) => void = () => undefined): Config {
  return parseConfig(["--model-name", "demo", "--storage-uri", "./model.onnx", ...argv], print);
}

test("defaults", () => {
  expect(parse([])).toMatchObject({
    ...STORAGE_NOT_GIVEN,
    storageUri: "./model.onnx",
    pvcRoot: "/mnt/pvc",
    ociRoot: "/mnt/oci",
    downloadTimeoutSeconds: 600,
    maxModelBytes: 10_737_418_240,
    maxModelFiles: 10_000,
    maxExpansionRatio: 100,
    storageInstanceCredentials: false,
    storageAllowedNetworks: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"],
    s3AddressingStyle: "auto",
  });
});

describe("given", () => {
  test.each<[string[], Partial<Config>]>([
    [["--storage-allowed-networks", "127.0.0.0/8, ::1/128"], { storageAllowedNetworks: ["127.0.0.0/8", "::1/128"] }],
    [["--storage-allowed-networks="], { storageAllowedNetworks: [] }],
    [["--storage-sha256", "A".repeat(64)], { storageSha256: "a".repeat(64) }],
    [["--s3-endpoint", "http://minio:9000"], { s3Endpoint: "http://minio:9000" }],
    [["--s3-addressing-style", "virtual"], { s3AddressingStyle: "virtual" }],
    [["--storage-instance-credentials"], { storageInstanceCredentials: true }],
  ])("%j", (argv, expected) => {
    expect(parse(argv)).toMatchObject(expected);
  });
});

describe("refused", () => {
  test.each([
    [
      "a name for a network",
      ["--storage-allowed-networks", "minio"],
      /"minio" is no network; give a list such as 10.0.0.0\/8/,
    ],
    ["an address for a network", ["--storage-allowed-networks", "10.0.0.0/8,10.0.0.1"], /"10.0.0.1" is no network/],
    ["a short checksum", ["--storage-sha256", "abc"], /'abc' is invalid. Give 64 hexadecimal digits/],
    ["an endpoint without scheme", ["--s3-endpoint", "minio:9000"], /Give http:\/\/HOST or https:\/\/HOST/],
    ["an endpoint with a password", ["--s3-endpoint", "http://a:b@minio"], /without user name and password/],
    ["an unknown style", ["--s3-addressing-style", "host"], /Allowed choices are auto, path, virtual/],
    ["no files", ["--max-model-files", "0"], /Give a number from 1 to 1000000/],
  ])("%s", (_name, argv, complaint) => {
    let printed = "";
    const print = (text: string) => {
      printed += text;
    };
    expect(() => parse(argv, print)).toThrow();
    expect(printed).toMatch(complaint);
  });
});
