// A PersistentVolumeClaim named `models` on a folder of the machine, so that `pvc://models/FILE` serves a file that is put there.

import { copyFile, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { ClusterError } from "./errors.ts";
import type { Cluster } from "./running-cluster.ts";

const name = "models";
const sample = join(import.meta.dirname, "../../server-image/testdata/add-sub.onnx");

/** Makes the claim in namespace `default` and puts the model of examples/add-sub.yaml into `folder`. */
export async function makeModelClaim(cluster: Cluster, folder: string, signal?: AbortSignal): Promise<void> {
  await mkdir(folder, { recursive: true });
  await copyFile(sample, join(folder, basename(sample)));
  const capacity = { storage: "1Gi" };
  const shared = { accessModes: ["ReadOnlyMany"], storageClassName: "", volumeName: name };
  const volume = {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name },
    spec: { capacity, accessModes: shared.accessModes, storageClassName: "", hostPath: { path: folder } },
  };
  const claim = {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name, namespace: "default" },
    spec: { ...shared, resources: { requests: capacity } },
  };
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: [volume, claim] });
  const { exitCode, stderr } = await cluster.kubectl(["apply", "--filename", "-"], list, signal);
  if (exitCode !== 0) throw new ClusterError("REQUEST_FAILED", `the claim ${name} cannot be made: ${stderr.trim()}`);
}
