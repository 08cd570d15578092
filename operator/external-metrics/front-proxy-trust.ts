// Whom to believe when it says on whose behalf it asks: the cluster's front proxy, as kube-apiserver publishes it.

import { X509Certificate } from "node:crypto";
import { configMaps } from "../kube/resource-types.ts";
import type { KubeClient } from "../kube/types.ts";
import { splitPem } from "./pem.ts";

/** The front proxy's authority and the headers in which it names the user. */
export interface FrontProxyTrust {
  /** PEM, one certificate each. Never empty. */
  readonly authorities: readonly string[];
  /** Common names that the proxy's certificate may have; empty: any. */
  readonly allowedNames: readonly string[];
  /** Header names in lower case; the first header that has a value counts. */
  readonly usernameHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  /** All values of all headers count. */
  readonly groupHeaders: readonly string[];
  readonly extraHeaderPrefixes: readonly string[];
}

const source = { namespace: "kube-system", name: "extension-apiserver-authentication" };

export class FrontProxyTrustError extends Error {
  readonly code = "FRONT_PROXY_TRUST";

  constructor(problem: string, options?: ErrorOptions) {
    super(
      `ConfigMap ${source.namespace}/${source.name}: ${problem}; it is written by kube-apiserver, ` +
        "which needs its --requestheader-* flags for any aggregated API",
      options,
    );
    this.name = "FrontProxyTrustError";
  }
}

/** Throws `FrontProxyTrustError` when the cluster does not say whom to trust: then nobody is. */
export async function readFrontProxyTrust(client: KubeClient, signal: AbortSignal): Promise<FrontProxyTrust> {
  const configMap = await client.get(configMaps, source, { signal });
  if (configMap === undefined) throw new FrontProxyTrustError("does not exist");
  return parseFrontProxyTrust(configMap.data ?? {});
}

export function parseFrontProxyTrust(data: Readonly<Record<string, string>>): FrontProxyTrust {
  const usernameHeaders = names(data, "requestheader-username-headers");
  if (usernameHeaders.length === 0) throw new FrontProxyTrustError("requestheader-username-headers names no header");
  return {
    authorities: authorities(data),
    allowedNames: strings(data, "requestheader-allowed-names"),
    usernameHeaders,
    uidHeaders: names(data, "requestheader-uid-headers"),
    groupHeaders: names(data, "requestheader-group-headers"),
    extraHeaderPrefixes: names(data, "requestheader-extra-headers-prefix"),
  };
}

function authorities(data: Readonly<Record<string, string>>): string[] {
  const key = "requestheader-client-ca-file";
  const certificates = splitPem(data[key] ?? "");
  if (certificates.length === 0) throw new FrontProxyTrustError(`${key} holds no certificate`);
  try {
    return certificates.map((certificate) => new X509Certificate(certificate).toString());
  } catch (error) {
    throw new FrontProxyTrustError(`${key} holds a certificate that cannot be read`, { cause: error });
  }
}

function names(data: Readonly<Record<string, string>>, key: string): string[] {
  return strings(data, key).map((name) => name.toLowerCase());
}

/** A JSON list of strings; a missing key is an empty list, as in Kubernetes' own library. */
function strings(data: Readonly<Record<string, string>>, key: string): string[] {
  const text = data[key] ?? "";
  if (text === "") return [];
  const list = parseJson(key, text);
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string" && item !== "")) {
    throw new FrontProxyTrustError(`${key} is not a JSON list of names`);
  }
  return list as string[];
}

function parseJson(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new FrontProxyTrustError(`${key} is not JSON`, { cause: error });
  }
}
