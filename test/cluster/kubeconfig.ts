// Writes kubeconfig files with client certificates.

import { readFile, writeFile } from "node:fs/promises";
import type { KeyPairFiles } from "./certificates.ts";

export interface KubeconfigOptions {
  /** URL of the API server. */
  readonly server: string;
  /** PEM file. */
  readonly authority: string;
  readonly user: KeyPairFiles;
}

/** Writes `file`, readable by its owner only, with everything embedded: it works from any folder (JSON is YAML). */
export async function writeKubeconfig(file: string, options: KubeconfigOptions): Promise<void> {
  const base64 = (path: string) => readFile(path, "base64");
  const name = "plimsoll";
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [
      { name, cluster: { server: options.server, "certificate-authority-data": await base64(options.authority) } },
    ],
    users: [
      {
        name,
        user: {
          "client-certificate-data": await base64(options.user.certificate),
          "client-key-data": await base64(options.user.key),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
  await writeFile(file, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
}
