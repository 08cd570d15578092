// What the operator says on the server's command line is what the server understands: the two share no code.

import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { makeInferenceService } from "../operator/api/testing.ts";
import { makePodTemplate } from "../operator/resources/pod-template.ts";
import { parseConfig } from "../server-image/config.ts";
import { DATATYPES } from "../server-image/tensors/datatypes.ts";
import { everyField } from "./integration/every-field.ts";

function configOf(predictor: object) {
  const template = makePodTemplate(makeInferenceService({ predictor }), { serverImage: "plimsoll/server:dev" });
  const complaints: string[] = [];
  const args = template.spec?.containers[0]?.args ?? [];
  return parseConfig(args, (complaint) => complaints.push(complaint));
}

test("of the smallest service", () => {
  expect(configOf({})).toMatchObject({ modelName: "resnet", drainDelaySeconds: 5, gracePeriodSeconds: 35 });
});

test("of a service with every field", () => {
  const server = {
    workers: 2,
    threadsPerWorker: 4,
    maxBatchSize: 16,
    maxBatchDelayMilliseconds: 5,
    calibrationSeconds: 20,
    maxQueueLength: 200,
    maxExpectedWaitMilliseconds: 2000,
    requestTimeoutSeconds: 10,
    runTimeoutSeconds: 60,
    maxBodyBytes: 8_388_608,
    logLevel: "debug",
  };
  expect(configOf({ ...everyField, model: { ...Object(everyField["model"]), server } })).toMatchObject({
    modelName: "resnet-50",
    storageUri: "s3://models/resnet/7/model.onnx",
    storageSha256: "ab".repeat(32),
    storageCredentialsDirectory: "/mnt/credentials",
    storageInstanceCredentials: true,
    downloadTimeoutSeconds: 1200,
    maxModelBytes: 20 * 1024 ** 3,
    gracePeriodSeconds: 125,
    workers: 2,
    threadsPerWorker: 4,
    maxBatchSize: 16,
    maxBatchDelayMs: 5,
    calibrationSeconds: 20,
    maxQueueLength: 200,
    maxExpectedWaitMs: 2000,
    requestTimeoutSeconds: 10,
    runTimeoutSeconds: 60,
    maxBodyBytes: 8_388_608,
    logLevel: "debug",
  });
});

test("of a model that is mounted", () => {
  expect(configOf({ model: { modelFormat: { name: "onnx" }, storageUri: "oci://example.com/m:7" } })).toMatchObject({
    storageUri: "oci://example.com/m:7",
    ociRoot: "/mnt/oci",
  });
});

test("the datatypes that a contract may name are those that the server knows", async () => {
  const file = new URL("../crds/serving.plimsoll.dev_inferenceservices.yaml", import.meta.url);
  const { spec } = parse(await readFile(file, "utf8"));
  const { predictor } = spec.versions[0].schema.openAPIV3Schema.properties.spec.properties;
  const { inputs } = predictor.properties.model.properties.contract.properties;
  expect(inputs.items.properties.datatype.enum).toEqual(DATATYPES);
});
