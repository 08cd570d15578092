// A Kubernetes client for a certificate and an address.

import { readFileSync } from "node:fs";
import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { type ClosableKubeClient, createKubeClient } from "../../operator/kube/client.ts";
import type { ClientTls } from "./https-get.ts";

/** Where the API server is, and who we are to it. */
export interface ApiAccess {
  readonly server: string;
  readonly tls: ClientTls;
}

/** The two methods that the client needs: client-node's own class would cost 86 MB of memory for reading one file. */
function kubeConfigOf({ server, tls }: ApiAccess): KubeConfig {
  const credentials = {
    ca: readFileSync(tls.authority),
    cert: readFileSync(tls.certificate),
    key: readFileSync(tls.key),
  };
  const config: Pick<KubeConfig, "getCurrentCluster" | "applyToHTTPSOptions"> = {
    getCurrentCluster: () => ({ name: "plimsoll", server, skipTLSVerify: false }),
    applyToHTTPSOptions: async (options: RequestOptions) => {
      Object.assign(options, credentials);
    },
  };
  return config as KubeConfig;
}

export function clientFor(access: ApiAccess, userAgent: string): ClosableKubeClient {
  return createKubeClient({ kubeConfig: kubeConfigOf(access), userAgent });
}
