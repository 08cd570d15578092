// The operator's configuration: every flag, parsed once, with errors that name the flag and what is allowed.

import { isIP } from "node:net";
import { z } from "zod";
import { logLevels } from "./observability/logger.ts";

/** The configuration cannot be used; the message names each flag. The program exits with status 1. */
export class ConfigError extends Error {
  readonly code = "CONFIG";
}

/** Digits only: Number() alone would also take "", " 7" and "0x10". */
const numberBetween = (form: RegExp, [min, max]: readonly [number, number], error: string) =>
  z.string(error).regex(form, error).transform(Number).pipe(z.number().min(min, error).max(max, error));
const portFrom = (min: number) => numberBetween(/^\d+$/, [min, 65_535], `must be a port number, ${min} to 65535`);
const seconds = (min: number, max: number) =>
  numberBetween(/^\d+(\.\d+)?$/, [min, max], `must be a number of seconds, ${min} to ${max}`);
const wholeSeconds = (min: number, max: number) =>
  numberBetween(/^\d+$/, [min, max], `must be a whole number of seconds, ${min} to ${max}`);
const nonEmpty = (error: string) => z.string(error).min(1, error);
const addressError =
  "must be an http or https URL without user name and password, such as http://prometheus.monitoring:9090";
const namespaceError =
  "must be the name of a namespace: at most 63 lower case letters, digits and '-', such as plimsoll-system";

const namespaceName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Undefined: all namespaces. */
const watchedNamespaces = z.string().transform((text, context) => {
  if (text === "") return undefined;
  const names = [...new Set(text.split(","))];
  if (names.every((name) => namespaceName.test(name))) return names;
  context.addIssue("must be names of namespaces with commas between them, such as vision,speech; empty: all");
  return z.NEVER;
});

const endpoint = z.string().transform((text, context) => {
  const [, host = "", portText = ""] = /^\[?([0-9a-fA-F.:]+?)\]?:(\d+)$/.exec(text) ?? [];
  const parsed = portFrom(1).safeParse(portText);
  if (isIP(host) === 0 || !parsed.success) {
    context.addIssue("must be IP:PORT, such as 10.0.0.7:6443");
    return z.NEVER;
  }
  return { ip: host, port: parsed.data };
});

const flagsSchema = z.object({
  kubeconfig: nonEmpty("must be the path of a kubeconfig file").optional(),
  prometheusAddress: z
    .url({ protocol: /^https?$/, error: addressError })
    .transform((text) => new URL(text))
    // fetch refuses such a URL, at every single query.
    .refine(({ username, password }) => username === "" && password === "", addressError),
  serverImage: nonEmpty(
    "must be the image of the inference server, such as registry.example.com/plimsoll/server:1.0.0",
  ),
  namespace: z.string(namespaceError).regex(namespaceName, namespaceError),
  watchNamespaces: watchedNamespaces,
  scrapeInterval: seconds(0.5, 300),
  tickInterval: seconds(0.2, 60),
  externalMetricsPort: portFrom(0),
  externalMetricsEndpoint: endpoint.optional(),
  endpointsPort: portFrom(0),
  leaderElect: z.enum(["true", "false"], "must be true or false").transform((text) => text === "true"),
  // A Lease's duration has no fractions.
  leaderElectLeaseDuration: wholeSeconds(1, 3600),
  leaderElectRenewDeadline: seconds(0.1, 3600),
  leaderElectRetryPeriod: seconds(0.1, 3600),
  logLevel: z.enum(logLevels, `must be one of ${logLevels.join(", ")}`),
});

/** A leader must have given up before another one takes its lease, and have tried more than once by then. */
const runSchema = flagsSchema.transform((config, context) => {
  const { leaderElectLeaseDuration: lease, leaderElectRenewDeadline: renew, leaderElectRetryPeriod: retry } = config;
  const mustBeShorter = (flag: keyof typeof config, limit: string, ofSeconds: number) =>
    context.addIssue({
      code: "custom",
      path: [flag],
      message: `must be shorter than ${limit}, which is ${ofSeconds} s`,
    });
  if (renew >= lease) mustBeShorter("leaderElectRenewDeadline", "--leader-elect-lease-duration", lease);
  if (retry * 2 >= renew) mustBeShorter("leaderElectRetryPeriod", "half of --leader-elect-renew-deadline", renew);
  return config;
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
