// Official releases, from a server that stands for their sites.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runTool } from "../tool.ts";
import { catalogue } from "./catalogue.ts";
import { downloadRelease, findChecksum, officialSites, type ReleaseSites, releaseOf } from "./release.ts";

const sha256 = (data: Buffer | string) => createHash("sha256").update(data).digest("hex");

let folder = "";
let server: Server;
let sites: ReleaseSites;
/** Path to content; anything else is 404. */
let published: Map<string, Buffer | string>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "release-test-"));
  published = new Map();
  server = createServer((request, response) => {
    const content = published.get(request.url ?? "");
    response.writeHead(content === undefined ? 404 : 200).end(content);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  sites = { kubernetes: `${url}/release`, github: url };
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

function pathOf(url: string): string {
  return new URL(url).pathname;
}

describe("downloadRelease", () => {
  const kubectl = catalogue.kubectl;

  test("a program with the published checksum becomes executable, and nothing else is left", async () => {
    const { url, checksumUrl } = releaseOf(kubectl, sites, process.arch);
    published.set(pathOf(url), "program").set(pathOf(checksumUrl), sha256("program"));
    await downloadRelease(kubectl, join(folder, "kubectl"), { sites });
    expect(await readFile(join(folder, "kubectl"), "utf8")).toBe("program");
    expect((await stat(join(folder, "kubectl"))).mode & 0o777).toBe(0o755);
    expect(await readdir(folder)).toEqual(["kubectl"]);
  });

  test("a program with another checksum is not used", async () => {
    const { url, checksumUrl } = releaseOf(kubectl, sites, process.arch);
    published.set(pathOf(url), "changed").set(pathOf(checksumUrl), sha256("program"));
    await expect(downloadRelease(kubectl, join(folder, "kubectl"), { sites })).rejects.toThrow(
      /has the checksum .* published is .*: it was not used/,
    );
    expect(await readdir(folder)).toEqual([]);
  });

  test.each(["etcd", "prometheus"] as const)("%s is taken out of its archive", async (name) => {
    const { url, checksumUrl, member = "" } = releaseOf(catalogue[name], sites, process.arch);
    const source = await mkdtemp(join(tmpdir(), "release-source-"));
    await runTool("mkdir", ["-p", join(source, member, "..")]);
    await writeFile(join(source, member), "program");
    await runTool("tar", ["-czf", join(source, "archive"), "-C", source, member]);
    const archive = await readFile(join(source, "archive"));
    await rm(source, { recursive: true });
    const file = url.slice(url.lastIndexOf("/") + 1);
    const lines = `${sha256("x")}  other.tar.gz\n${sha256(archive)}  ${file}\n`;
    published.set(pathOf(url), archive).set(pathOf(checksumUrl), lines);
    await downloadRelease(catalogue[name], join(folder, name), { sites });
    expect(await readFile(join(folder, name), "utf8")).toBe("program");
    expect(await readdir(folder)).toEqual([name]);
  });

  test("a missing release says the address and the status", async () => {
    await expect(downloadRelease(kubectl, join(folder, "kubectl"), { sites })).rejects.toThrow(/kubectl.*answers 404/);
  });

  test("a site that refuses connections is named", async () => {
    server.close();
    await once(server, "close");
    await expect(downloadRelease(kubectl, join(folder, "kubectl"), { sites })).rejects.toThrow(
      /cannot reach 127\.0\.0\.1/,
    );
  });

  test("giving up ends the download", async () => {
    const { url, checksumUrl } = releaseOf(kubectl, sites, process.arch);
    published.set(pathOf(checksumUrl), sha256("program"));
    const stopping = new AbortController();
    server.on("request", (request) => {
      if (request.url === pathOf(url)) stopping.abort();
    });
    await expect(
      downloadRelease(kubectl, join(folder, "kubectl"), { sites, signal: stopping.signal }),
    ).rejects.toThrow();
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("releaseOf", () => {
  test.each([
    ["kube-apiserver", "x64", "https://dl.k8s.io/release/v1.36.3/bin/linux/amd64/kube-apiserver"],
    ["kubectl", "arm64", "https://dl.k8s.io/release/v1.36.3/bin/linux/arm64/kubectl"],
    ["etcd", "x64", "https://github.com/etcd-io/etcd/releases/download/v3.6.8/etcd-v3.6.8-linux-amd64.tar.gz"],
    [
      "prometheus",
      "arm64",
      "https://github.com/prometheus/prometheus/releases/download/v3.15.0/prometheus-3.15.0.linux-arm64.tar.gz",
    ],
  ] as const)("%s for %s", (name, architecture, url) => {
    expect(releaseOf(catalogue[name], officialSites, architecture).url).toBe(url);
  });

  test("an architecture without releases is named", () => {
    expect(() => releaseOf(catalogue.etcd, officialSites, "riscv64")).toThrow(/riscv64/);
  });
});

test.each([
  ["a lone checksum", `${"a".repeat(64)}\n`, "a".repeat(64)],
  ["the line of the file", `${"a".repeat(64)}  other\n${"b".repeat(64)}  file\n`, "b".repeat(64)],
  ["a line of binary mode", `${"B".repeat(64)} *file\n`, "b".repeat(64)],
  ["no line of the file", `${"a".repeat(64)}  other\n${"b".repeat(64)}  more\n`, undefined],
  ["an error page", "<html>not found</html>", undefined],
])("findChecksum: %s", (_name, text, checksum) => {
  expect(findChecksum(text, "file")).toBe(checksum);
});
