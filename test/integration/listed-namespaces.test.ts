// The operator with Roles in two namespaces and nothing more: it works there, touches nothing elsewhere, and waits for a third.

import { afterAll, beforeAll, expect, test } from "vitest";
import { controllerMetrics } from "../../operator/kube/metrics.ts";
import { deployments, horizontalPodAutoscalers, services } from "../../operator/kube/resource-types.ts";
import { installOperator } from "../cluster/install.ts";
import { inferenceServices, type ServiceManifest, Stage } from "./stage.ts";
import { until } from "./until.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.start("listed");
  for (const name of ["vision", "speech", "elsewhere"]) await stage.kubectl("create", "namespace", name);
  await installOperator(stage.cluster, { watchNamespaces: ["vision", "speech", "later"] });
});

afterAll(async () => {
  await stage?.stop();
});

function manifest(namespace: string): ServiceManifest {
  const autoScaling = { metrics: [{ type: "RequestRate", target: 10 }] };
  return { ...stage.manifest("resnet", { autoScaling }), metadata: { name: "resnet", namespace } };
}

function ready(namespace: string) {
  return until(
    async () => {
      const service = await stage.client.get(inferenceServices, { namespace, name: "resnet" });
      return service?.status?.conditions?.find(({ type, status }) => type === "Ready" && status === "True");
    },
    { what: `resnet in ${namespace} is ready`, timeoutSeconds: 90 },
  );
}

async function metricsOf(namespace: string): Promise<readonly { value: string }[]> {
  const path = `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespace}/plimsoll_request_rate`;
  return (JSON.parse(await stage.kubectl("get", "--raw", path)) as { items: { value: string }[] }).items;
}

test("services in listed namespaces are served and scaled, and one elsewhere is left alone", async () => {
  for (const namespace of ["elsewhere", "vision", "speech"]) await stage.apply(manifest(namespace));
  await ready("vision");
  await ready("speech");
  for (const namespace of ["vision", "speech"]) {
    await until(async () => (await metricsOf(namespace)).length === 1, { what: `a rate for ${namespace}` });
    await until(
      async () => {
        const hpa = await stage.client.get(horizontalPodAutoscalers, { namespace, name: "resnet-predictor" });
        return hpa?.status?.conditions?.some(({ type, status }) => type === "ScalingActive" && status === "True");
      },
      { what: `the HPA in ${namespace} reads it` },
    );
  }
  const ref = { namespace: "elsewhere", name: "resnet" };
  expect((await stage.client.get(inferenceServices, ref))?.status).toBeUndefined();
  expect((await stage.client.list(deployments, { namespace: "elsewhere" })).items).toEqual([]);
  expect((await stage.client.list(services, { namespace: "elsewhere" })).items).toEqual([]);
  expect(await metricsOf("elsewhere")).toEqual([]);
  const asked = (await stage.cluster.operatorRequests()).map(({ objectRef }) => objectRef?.namespace);
  expect(asked).toContain("vision");
  expect(asked).not.toContain("elsewhere");
});

test("a listed namespace that is made later is taken up when its Role is there", async () => {
  const log = () => stage.kubectl("logs", "--namespace=plimsoll-system", "deployment/plimsoll-operator");
  await until(async () => (await log()).includes('"namespace":"later"'), { what: "the log names what is missing" });
  await stage.kubectl("create", "namespace", "later");
  await stage.apply(manifest("later"));
  const role = new URL("../../install/listed-namespaces/namespace.yaml", import.meta.url).pathname;
  await stage.kubectl("apply", "--server-side", "--namespace=later", `--filename=${role}`);
  await ready("later");
});

test("Prometheus reads the operator's metrics, and takes each for what it is", async () => {
  const ask = async (path: string) => (await fetch(`${stage.cluster.prometheusAddress}${path}`)).json();
  const query = encodeURIComponent(
    'controller_runtime_reconcile_total{namespace="plimsoll-system",result="success"} > 0',
  );
  await until(
    async () => {
      const { data } = (await ask(`/api/v1/query?query=${query}`)) as { data: { result: unknown[] } };
      return data.result.length > 0;
    },
    { what: "reconciles are in Prometheus" },
  );
  const { data: metadata } = (await ask("/api/v1/metadata")) as { data: Record<string, { type: string }[]> };
  const types = Object.fromEntries(Object.keys(controllerMetrics).map((name) => [name, metadata[name]?.[0]?.type]));
  expect(types).toEqual(Object.fromEntries(Object.entries(controllerMetrics).map(([name, { type }]) => [name, type])));
});

test("nothing was forbidden in a namespace whose Role is there", async () => {
  const forbidden = (await stage.cluster.operatorRequests())
    .filter(({ responseStatus }) => responseStatus?.code === 403)
    .filter(({ objectRef }) => objectRef?.namespace !== "later")
    .map(({ verb, requestURI }) => `${verb} ${requestURI}`);
  expect(forbidden).toEqual([]);
});
