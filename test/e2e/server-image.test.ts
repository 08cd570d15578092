// The server's image as Kubernetes runs it: no rights, nothing to write to but /tmp, one process that ends when told.

import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { credentials, type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { protoPath } from "grpc-health-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { makeInferenceService } from "../../operator/api/testing.ts";
import { grpcPort, httpPort } from "../../operator/resources/container.ts";
import { makePodTemplate } from "../../operator/resources/pod-template.ts";
import packageJson from "../../server-image/package.json" with { type: "json" };
import { Container, docker, dockerAnswers, unpack } from "./docker.ts";

const IMAGE = process.env["SERVER_IMAGE"] ?? "plimsoll/server:dev";
const MODELS = fileURLToPath(new URL("../../server-image/testdata", import.meta.url));
const MOST_BYTES = 400_000_000;
const GRACE_SECONDS = 40;
const DEADLINE = { timeout: 60_000, interval: 50 };

const canRun = dockerAnswers(`tests of the image ${IMAGE}`);
const containers: Container[] = [];
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-image-test-"));
});

afterEach(async () => {
  await Promise.all(containers.splice(0).map((container) => container.remove()));
  await rm(folder, { recursive: true });
});

/** Under the restrictions of the operator's pods, with their arguments; `mounts` as for `docker run --volume`. */
async function run(storageUri: string, ...mounts: readonly string[]): Promise<Container> {
  const { spec } = makePodTemplate(makeInferenceService({ name: "m", model: { storageUri } }), { serverImage: IMAGE });
  const restrictions = ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"];
  const user = `--user=${spec?.securityContext?.runAsUser}:${spec?.securityContext?.runAsGroup}`;
  const ports = [httpPort, grpcPort].map((port) => `--publish=127.0.0.1::${port}`);
  const volumes = mounts.map((mount) => `--volume=${mount}`);
  const args = spec?.containers[0]?.args ?? [];
  const container = await Container.start(...restrictions, user, ...ports, ...volumes, IMAGE, ...args);
  containers.push(container);
  return container;
}

/** Rejects with what the program has written when it ends first. */
async function untilReady(container: Container): Promise<void> {
  await vi.waitUntil(async () => {
    const { stdout, stderr } = await container.logs();
    if (!(await container.isRunning())) {
      throw new Error(`ended before it was ready: ${stdout}${stderr}`);
    }
    return stdout.includes('"msg":"ready"');
  }, DEADLINE);
}

/** Over gRPC, of the server as a whole. */
async function health(address: string): Promise<unknown> {
  const { grpc } = loadPackageDefinition(loadSync(protoPath, { enums: String })) as { grpc: GrpcObject };
  const { Health } = (grpc["health"] as GrpcObject)["v1"] as { Health: ServiceClientConstructor };
  const client = new Health(address, credentials.createInsecure());
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  client["check"]!({ service: "" }, (error: Error | null, answer: { status: unknown }) => {
    if (error === null) resolve(answer.status);
    else reject(error);
  });
  return promise.finally(() => client.close());
}

describe.skipIf(!canRun)("the server's image", () => {
  test("takes less than 400 MB, and holds neither sources nor another platform's libraries", async () => {
    const { bytes, paths } = await unpack(IMAGE);
    console.log(`${IMAGE}: ${Math.round(bytes / 1e6)} MB unpacked`);
    expect(bytes).toBeLessThan(MOST_BYTES);
    const ours = paths.filter((file) => file.startsWith("app/"));
    expect(ours).toContain("app/main.js");
    expect(ours.filter((file) => /\.(ts|map|dll|dylib)$|\.test\./.test(file))).toEqual([]);
    expect(ours.filter((file) => file.endsWith("/onnxruntime_binding.node"))).toHaveLength(1);
    expect(ours).toContain("app/THIRD-PARTY-LICENSES.txt");
  });

  test("says what it is, and asks for no rights", async () => {
    const { stdout } = await docker("image", "inspect", "--format", "{{json .Config}}", IMAGE);
    const { User, Labels } = JSON.parse(stdout) as { User: string; Labels: Record<string, string> };
    expect(User).toBe("65532:65532");
    expect(Labels).toMatchObject({
      "org.opencontainers.image.title": "plimsoll-server",
      "org.opencontainers.image.version": packageJson.version,
      "org.opencontainers.image.licenses": "Apache-2.0",
    });
  });

  test("serves from a claim with the operator's arguments, and ends with code 0 on SIGTERM", async () => {
    const container = await run("pvc://models/add-sub.onnx", `${MODELS}:/mnt/pvc/models:ro`);
    await untilReady(container);
    const data = Array.from({ length: 16 }, (_, index) => index);
    const inputs = ["INPUT0", "INPUT1"].map((name) => ({ name, shape: [1, 16], datatype: "INT32", data }));
    const url = `http://${await container.address(httpPort)}/v2/models/m/infer`;
    const answer = await fetch(url, { method: "POST", body: JSON.stringify({ inputs }) });
    expect(await answer.json()).toMatchObject({
      outputs: [{ name: "OUTPUT0", data: data.map((value) => 2 * value) }, { name: "OUTPUT1" }],
    });
    expect(await health(await container.address(grpcPort))).toBe("SERVING");

    await container.stop(GRACE_SECONDS);
    expect(await container.exitCode()).toBe(0);
    const { stdout, stderr } = await container.logs();
    expect(stdout).toContain('"msg":"stopped"');
    // Native code complains there, of a disk that it may not write to for instance.
    expect(stderr).toBe("");
  });

  test("a model that is none: code 2, and the reason where the kubelet reads it", async () => {
    const [broken, terminationLog] = ["broken.onnx", "termination-log"].map((name) => path.join(folder, name));
    await writeFile(broken!, "no model");
    await writeFile(terminationLog!, "");
    // As the kubelet makes it.
    await chmod(terminationLog!, 0o666);
    await chmod(folder, 0o755);
    const container = await run(
      "pvc://models/broken.onnx",
      `${broken}:/mnt/pvc/models/broken.onnx:ro`,
      `${terminationLog}:/dev/termination-log`,
    );
    expect(await container.exitCode()).toBe(2);
    expect(JSON.parse(await readFile(terminationLog!, "utf8"))).toEqual({
      code: "MODEL_INVALID",
      message: expect.any(String),
      phase: "load",
    });
  });
});
