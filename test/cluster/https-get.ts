// A GET request with a client certificate, for readiness checks before any Kubernetes client can be used.

import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";

export interface ClientTls {
  /** PEM files. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Status and body of `url`, or `undefined` when nothing answers there within `timeoutMs`. */
export function get(
  url: string,
  tls: ClientTls | undefined,
  timeoutMs = 2000,
): Promise<{ readonly status: number; readonly body: string } | undefined> {
  const options = { agent: false, timeout: timeoutMs } as const;
  const secure = tls && {
    ca: readFileSync(tls.authority),
    cert: readFileSync(tls.certificate),
    key: readFileSync(tls.key),
  };
  return new Promise((resolve) => {
    const request = url.startsWith("https:") ? httpsRequest(url, { ...options, ...secure }) : httpRequest(url, options);
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(undefined));
    request.on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => resolve(undefined));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
      );
    });
    request.end();
  });
}
