// The children of a service: their names, whose they are, and how they find each other.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { customResourceDefinition } from "../api/custom-resource-definition.ts";
import { makeInferenceService } from "../api/testing.ts";
import { makeDeployment } from "./deployment.ts";
import { makeHorizontalPodAutoscaler } from "./horizontal-pod-autoscaler.ts";
import { commonLabels, selectorText, serviceUrl } from "./names.ts";
import { makePodDisruptionBudget } from "./pod-disruption-budget.ts";
import { makeService } from "./service.ts";
import { modelVolume } from "./storage-uri.ts";

/** RFC 1035, which the names of Services follow. */
const serviceName = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const labelValue = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

const service = makeInferenceService();
const children = {
  Deployment: makeDeployment(service, { serverImage: "plimsoll/server:dev" }),
  Service: makeService(service),
  HorizontalPodAutoscaler: makeHorizontalPodAutoscaler(service, { hpaTolerance: true }),
  PodDisruptionBudget: makePodDisruptionBudget(service),
};

describe.each(Object.entries(children))("the %s", (kind, child) => {
  test("has the service's name, in its namespace", () => {
    expect(child).toMatchObject({ kind, metadata: { name: "resnet-predictor", namespace: "vision" } });
  });

  test("is owned by the service's UID, and goes when the service goes", () => {
    expect(child.metadata?.ownerReferences).toEqual([
      {
        apiVersion: "serving.plimsoll.dev/v1alpha1",
        kind: "InferenceService",
        name: "resnet",
        uid: "u1",
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
  });

  test("carries the common labels", () => {
    expect(child.metadata?.labels).toEqual(commonLabels("resnet"));
  });
});

test("the Service and the PodDisruptionBudget select the pods that the Deployment makes", () => {
  const labels = children.Deployment.spec?.template.metadata?.labels;
  expect(labels).toMatchObject(children.Service.spec?.selector ?? {});
  expect(labels).toMatchObject(children.PodDisruptionBudget.spec?.selector?.matchLabels ?? {});
  expect(Object.entries(children.Service.spec?.selector ?? {}).map(([key, value]) => `${key}=${value}`)).toEqual([
    selectorText("resnet"),
  ]);
});

test("the Service's port leads to a port that the container has", () => {
  const [port] = children.Service.spec?.ports ?? [];
  const [container] = children.Deployment.spec?.template.spec?.containers ?? [];
  expect(container?.ports?.map(({ name }) => name)).toContain(port?.targetPort);
  expect(serviceUrl(service)).toBe("http://resnet-predictor.vision.svc");
  expect(port?.port).toBe(80);
});

test("the PodDisruptionBudget lets nodes drain one pod at a time, and broken ones at once", () => {
  expect(children.PodDisruptionBudget.spec).toMatchObject({
    maxUnavailable: 1,
    unhealthyPodEvictionPolicy: "AlwaysAllow",
  });
});

test("every name that the definition admits gives a valid Service name and valid labels", () => {
  const rule = JSON.stringify(customResourceDefinition()).match(/metadata\.name\.matches\('(.*?)'\)/)?.[1] ?? "";
  const admitted = fc.stringMatching(new RegExp(rule)).filter((name) => name.length <= 53);
  fc.assert(
    fc.property(fc.oneof(admitted, fc.constant("a".repeat(53))), (name) => {
      expect(makeService(makeInferenceService({ name })).metadata?.name).toMatch(serviceName);
      for (const value of Object.values(commonLabels(name))) expect(value).toMatch(labelValue);
    }),
  );
});

describe("the claim of a storageUri", () => {
  test.each([
    ["pvc://models/resnet.onnx", "models"],
    ["pvc://models.v2/a/b/c.onnx", "models.v2"],
    ["https://models.example.com/pvc://x/y", undefined],
    ["http://pvc/x", undefined],
    ["pvc://models", undefined],
    ["pvc:///x", undefined],
  ])("%s -> %s", (storageUri, claim) => {
    expect(modelVolume(storageUri)?.volume.persistentVolumeClaim?.claimName).toBe(claim);
  });
});
