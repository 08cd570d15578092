// The operator's configuration: every flag, parsed once, with errors that name the flag and what is allowed.

import { isIP } from "node:net";
import { z } from "zod";
import { logLevels } from "./observability/logger.ts";

/** The configuration cannot be used; the message names each flag. The program exits with status 1. */
export class ConfigError extends Error {
  readonly code = "CONFIG";
}

const port = z.coerce.number<string>().int().min(0).max(65_535);
const seconds = (min: number, max: number) => z.coerce.number<string>().min(min).max(max);

const endpoint = z.string().transform((text, context) => {
  const [, host = "", portText = ""] = /^\[?([0-9a-fA-F.:]+?)\]?:(\d+)$/.exec(text) ?? [];
  const parsed = port.min(1).safeParse(portText);
  if (isIP(host) === 0 || !parsed.success) {
    context.addIssue("must be IP:PORT, such as 10.0.0.7:6443");
    return z.NEVER;
  }
  return { ip: host, port: parsed.data };
});

const runSchema = z.object({
  kubeconfig: z.string().min(1).optional(),
  prometheusAddress: z
    .url({ protocol: /^https?$/, error: "must be an http or https URL, such as http://prometheus.monitoring:9090" })
    .transform((text) => new URL(text)),
  serverImage: z.string().min(1),
  namespace: z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "must be a namespace name"),
  scrapeInterval: seconds(0.5, 300),
  tickInterval: seconds(0.2, 60),
  externalMetricsPort: port,
  externalMetricsEndpoint: endpoint.optional(),
  endpointsPort: port,
  logLevel: z.enum(logLevels),
});

/** What `plimsoll run` was told. Intervals are in seconds. */
export type RunConfig = z.output<typeof runSchema>;

/** Reads the flags of `plimsoll run`. Throws ConfigError. */
export function parseRunConfig(flags: Readonly<Record<string, unknown>>): RunConfig {
  const parsed = runSchema.safeParse(flags);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => `--${kebabCase(String(issue.path[0]))}: ${issue.message}`);
  throw new ConfigError(lines.join("\n"));
}

function kebabCase(camelCase: string): string {
  return camelCase.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
