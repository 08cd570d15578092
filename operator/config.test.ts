// The flags of `plimsoll run`: what each becomes, and that a bad value gives a message with the flag and what is allowed.

import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { ConfigError, parseRunConfig } from "./config.ts";

/** The least that a person has to say, and the defaults of the command line. */
const flags = {
  prometheusAddress: "http://prometheus.monitoring:9090",
  serverImage: "plimsoll/server:dev",
  namespace: "plimsoll-system",
  watchNamespaces: "",
  scrapeInterval: "15",
  tickInterval: "2",
  externalMetricsPort: "6443",
  endpointsPort: "8081",
  leaderElect: "true",
  leaderElectLeaseDuration: "15",
  leaderElectRenewDeadline: "10",
  leaderElectRetryPeriod: "2",
  logLevel: "info",
};

function messageFor(changes: Record<string, unknown>): string {
  try {
    parseRunConfig({ ...flags, ...changes });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "no error";
}

test("text becomes numbers and a URL; what was not given is absent", () => {
  expect(parseRunConfig(flags)).toEqual({
    ...flags,
    prometheusAddress: new URL("http://prometheus.monitoring:9090"),
    watchNamespaces: undefined,
    scrapeInterval: 15,
    tickInterval: 2,
    externalMetricsPort: 6443,
    endpointsPort: 8081,
    leaderElect: true,
    leaderElectLeaseDuration: 15,
    leaderElectRenewDeadline: 10,
    leaderElectRetryPeriod: 2,
  });
});

describe("what is allowed is read", () => {
  test.each<[string, keyof ReturnType<typeof parseRunConfig>, string, unknown]>([
    [
      "a path below Prometheus' host",
      "prometheusAddress",
      "https://p.example.com/prom",
      new URL("https://p.example.com/prom"),
    ],
    ["half a second between scrapes", "scrapeInterval", "0.5", 0.5],
    ["the longest interval between scrapes", "scrapeInterval", "300", 300],
    ["the shortest tick", "tickInterval", "0.2", 0.2],
    ["any free port", "endpointsPort", "0", 0],
    ["the highest port", "externalMetricsPort", "65535", 65_535],
    ["an endpoint by IPv4 address", "externalMetricsEndpoint", "10.0.0.7:6443", { ip: "10.0.0.7", port: 6443 }],
    ["an endpoint by IPv6 address", "externalMetricsEndpoint", "[fd00::7]:6443", { ip: "fd00::7", port: 6443 }],
    ["a namespace of one letter", "namespace", "p", "p"],
    ["one watched namespace", "watchNamespaces", "vision", ["vision"]],
    ["several watched namespaces, each once", "watchNamespaces", "vision,speech,vision", ["vision", "speech"]],
    ["a path of a kubeconfig", "kubeconfig", "/etc/plimsoll/kubeconfig", "/etc/plimsoll/kubeconfig"],
    ["an operator that is alone", "leaderElect", "false", false],
    ["a lease of a minute", "leaderElectLeaseDuration", "60", 60],
    ["a renew deadline just below the lease", "leaderElectRenewDeadline", "14.5", 14.5],
    ["a retry period just below half of the renew deadline", "leaderElectRetryPeriod", "4.9", 4.9],
    ["a quiet log", "logLevel", "error", "error"],
  ])("%s", (_sentence, flag, text, value) => {
    expect(parseRunConfig({ ...flags, [flag]: text })[flag]).toEqual(value);
  });
});

describe("what is not allowed is named, with what is", () => {
  const url =
    "--prometheus-address: must be an http or https URL without user name and password, such as http://prometheus.monitoring:9090";
  const image =
    "--server-image: must be the image of the inference server, such as registry.example.com/plimsoll/server:1.0.0";
  const namespace =
    "--namespace: must be the name of a namespace: at most 63 lower case letters, digits and '-', such as plimsoll-system";
  const watched =
    "--watch-namespaces: must be names of namespaces with commas between them, such as vision,speech; empty: all";
  const scrape = "--scrape-interval: must be a number of seconds, 0.5 to 300";
  const tick = "--tick-interval: must be a number of seconds, 0.2 to 60";
  const metricsPort = "--external-metrics-port: must be a port number, 0 to 65535";
  const endpointsPort = "--endpoints-port: must be a port number, 0 to 65535";
  const endpoint = "--external-metrics-endpoint: must be IP:PORT, such as 10.0.0.7:6443";
  const lease = "--leader-elect-lease-duration: must be a whole number of seconds, 1 to 3600";
  const level = "--log-level: must be one of debug, info, warn, error";

  test.each<[string, keyof typeof flags | "kubeconfig" | "externalMetricsEndpoint", unknown, string]>([
    ["no Prometheus", "prometheusAddress", undefined, url],
    ["a host without a scheme", "prometheusAddress", "prometheus:9090", url],
    ["another scheme", "prometheusAddress", "ftp://prometheus", url],
    ["a user name in the URL, which fetch would refuse", "prometheusAddress", "http://me@prometheus:9090", url],
    ["a password in the URL", "prometheusAddress", "http://:secret@prometheus:9090", url],
    ["no image", "serverImage", undefined, image],
    ["an empty image", "serverImage", "", image],
    ["no namespace", "namespace", undefined, namespace],
    ["an empty namespace", "namespace", "", namespace],
    ["capitals in a namespace", "namespace", "Plimsoll", namespace],
    ["a namespace of 64 letters", "namespace", "p".repeat(64), namespace],
    ["a blank between watched namespaces", "watchNamespaces", "vision, speech", watched],
    ["a star for all namespaces", "watchNamespaces", "*", watched],
    ["a comma at the end of watched namespaces", "watchNamespaces", "vision,", watched],
    ["a regular expression for watched namespaces", "watchNamespaces", "team-.*", watched],
    ["an empty interval between scrapes", "scrapeInterval", "", scrape],
    ["a word for an interval", "scrapeInterval", "often", scrape],
    ["a unit at an interval", "scrapeInterval", "15s", scrape],
    ["too many scrapes", "scrapeInterval", "0.4", scrape],
    ["too few scrapes", "scrapeInterval", "301", scrape],
    ["an interval that never ends", "scrapeInterval", "Infinity", scrape],
    ["ticks without a pause", "tickInterval", "0", tick],
    ["ticks back in time", "tickInterval", "-1", tick],
    ["a tick in an hour", "tickInterval", "3600", tick],
    ["an empty port, which is not 0", "externalMetricsPort", "", metricsPort],
    ["a port above the highest", "externalMetricsPort", "65536", metricsPort],
    ["half a port", "externalMetricsPort", "80.5", metricsPort],
    ["a negative port", "endpointsPort", "-1", endpointsPort],
    ["a port in hexadecimal", "endpointsPort", "0x50", endpointsPort],
    ["a blank before a port", "endpointsPort", " 80", endpointsPort],
    ["an endpoint by name", "externalMetricsEndpoint", "operator:6443", endpoint],
    ["an endpoint without a port", "externalMetricsEndpoint", "10.0.0.7", endpoint],
    ["an endpoint with port 0", "externalMetricsEndpoint", "10.0.0.7:0", endpoint],
    ["an endpoint with a port above the highest", "externalMetricsEndpoint", "10.0.0.7:65536", endpoint],
    ["an address with a number above 255", "externalMetricsEndpoint", "10.0.0.256:6443", endpoint],
    ["an empty kubeconfig", "kubeconfig", "", "--kubeconfig: must be the path of a kubeconfig file"],
    ["a word for yes", "leaderElect", "yes", "--leader-elect: must be true or false"],
    ["half a second of lease", "leaderElectLeaseDuration", "15.5", lease],
    ["a lease of no time", "leaderElectLeaseDuration", "0", lease],
    ["a unit at a lease", "leaderElectLeaseDuration", "15s", lease],
    [
      "no time to renew",
      "leaderElectRenewDeadline",
      "0",
      "--leader-elect-renew-deadline: must be a number of seconds, 0.1 to 3600",
    ],
    [
      "a leader that gives up when another one leads",
      "leaderElectRenewDeadline",
      "15",
      "--leader-elect-renew-deadline: must be shorter than --leader-elect-lease-duration, which is 15 s",
    ],
    [
      "tries without a pause",
      "leaderElectRetryPeriod",
      "0",
      "--leader-elect-retry-period: must be a number of seconds, 0.1 to 3600",
    ],
    [
      "one try until the renew deadline",
      "leaderElectRetryPeriod",
      "5",
      "--leader-elect-retry-period: must be shorter than half of --leader-elect-renew-deadline, which is 10 s",
    ],
    ["a level that does not exist", "logLevel", "trace", level],
    ["no level", "logLevel", undefined, level],
  ])("%s", (_sentence, flag, value, message) => {
    expect(messageFor({ [flag]: value })).toBe(message);
  });

  test("several mistakes are named at once, a line each", () => {
    expect(messageFor({ tickInterval: "x", endpointsPort: "y" })).toBe(`${tick}\n${endpointsPort}`);
  });

  test("the error has a code for programs", () => {
    expect(() => parseRunConfig({})).toThrow(expect.objectContaining({ code: "CONFIG" }));
  });
});

test("docs/install.md has a row for each flag of the command line, and no other", async () => {
  const read = (path: string) => readFile(new URL(path, import.meta.url), "utf8");
  const known = [...(await read("main.ts")).matchAll(/ption\(\s*"--([a-z-]+)/g)].map(([, flag]) => `--${flag}`);
  const [, table = ""] = (await read("../docs/install.md")).split("## Flags of the operator");
  const documented = [...table.matchAll(/^\| `(--[a-z-]+)` \|/gm)].map(([, flag]) => flag);
  expect(known.length).toBeGreaterThan(5);
  expect(new Set(documented)).toEqual(new Set(known));
});
