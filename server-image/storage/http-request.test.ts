// Where requests go, whatever name, spelling or redirect leads there, and what they carry.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import type { ResolveHost } from "./guarded-agent.ts";
import { get, type HttpAccess, makeHttpAccess, redirectTarget } from "./http-request.ts";
import { DEFAULT_ALLOWED_NETWORKS } from "./network-policy.ts";
import { LOOPBACK, testFetch } from "./testing/fetch.ts";
import { type Listener, startHttpServer, type TestHttpServer } from "./testing/http-server.ts";
import { modelOfSize } from "./testing/onnx.ts";

vi.setConfig({ testTimeout: 20_000 });

const BODY = modelOfSize(1000);
const signal = new AbortController().signal;
const servers: TestHttpServer[] = [];
let answer: Listener;

let modelDirectory: string;

/** One on 127.0.0.1, one on 127.0.0.2; both answer with `answer`. */
beforeEach(async () => {
  modelDirectory = await mkdtemp(path.join(tmpdir(), "plimsoll-request-test-"));
  answer = (_request, response) => response.end(BODY);
  for (const host of ["127.0.0.1", "127.0.0.2"]) {
    servers.push(await startHttpServer((...args) => answer(...args), host));
  }
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((each) => each.stop()));
  await rm(modelDirectory, { recursive: true });
});

function server(index: number): TestHttpServer {
  return servers[index]!;
}

function portOf({ origin }: TestHttpServer): string {
  return new URL(origin).port;
}

/** Names of the tests, each with its addresses; the rest is unknown. */
function resolveFrom(names: Record<string, readonly string[]>): ResolveHost {
  return async (name) => {
    const addresses = names[name];
    if (addresses === undefined) {
      throw new Error(`ENOTFOUND ${name}`);
    }
    return addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  };
}

describe("loopback, in every spelling", () => {
  const SPELLINGS: readonly [host: string, named: string][] = [
    ["127.0.0.1", "127.0.0.1"],
    ["127.1", "127.0.0.1"],
    ["0x7f.1", "127.0.0.1"],
    ["0x7f000001", "127.0.0.1"],
    ["2130706433", "127.0.0.1"],
    ["017700000001", "127.0.0.1"],
    ["127.0.0.1.", "127.0.0.1"],
    ["１２７.０.０.１", "127.0.0.1"],
    ["[::ffff:127.0.0.1]", "::ffff:7f00:1"],
    ["[0:0:0:0:0:ffff:7f00:0001]", "::ffff:7f00:1"],
    ["localhost", "127.0.0.1|::1"],
    ["LOCALHOST", "127.0.0.1|::1"],
    ["127.0.0.1.nip.test", "127.0.0.1"],
  ];
  const resolveHost: ResolveHost = async (name) => {
    // What a system would find; a trailing dot means no search, and some systems take odd numbers for names.
    return name === "localhost"
      ? [
          { address: "127.0.0.1", family: 4 },
          { address: "::1", family: 6 },
        ]
      : [{ address: "127.0.0.1", family: 4 }];
  };

  test.each(SPELLINGS)("%s is refused unless configured", async (host, named) => {
    const config = { modelDirectory, storageUri: `http://${host}:${portOf(server(0))}/m.onnx` };
    const failing = testFetch({
      config: { ...config, storageAllowedNetworks: DEFAULT_ALLOWED_NETWORKS },
      options: { resolveHost },
    });
    await expect(failing).rejects.toThrow(
      new RegExp(`address (${named}).* is not allowed; .*--storage-allowed-networks`),
    );
    await expect(failing).rejects.toMatchObject({ code: "ADDRESS_NOT_ALLOWED" });
    expect(server(0).requests).toHaveLength(0);

    await testFetch({ config: { ...config, storageAllowedNetworks: LOOPBACK }, options: { resolveHost } });
    expect(server(0).requests).toHaveLength(1);
  });
});

describe("metadata, in every spelling, whatever is configured", () => {
  test.each([
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "0.0.0.0",
    "0",
    "[::]",
    "metadata.test",
  ])("%s", async (host) => {
    const failing = testFetch({
      config: { modelDirectory, storageUri: `http://${host}/m.onnx`, storageAllowedNetworks: ["0.0.0.0/0", "::/0"] },
      options: { resolveHost: resolveFrom({ "metadata.test": ["169.254.169.254"] }) },
    });
    await expect(failing).rejects.toThrow(/is not allowed; link-local, metadata and other special addresses are never/);
    await expect(failing).rejects.toMatchObject({ code: "ADDRESS_NOT_ALLOWED" });
  });
});

test("a name that changes its address between attempts is checked each time", async () => {
  answer = (_request, response) => response.writeHead(503).end();
  const answers = [["127.0.0.1"], ["169.254.169.254"]];
  const failing = testFetch({
    config: { modelDirectory, storageUri: `http://rebinding.test:${portOf(server(0))}/m.onnx` },
    options: { resolveHost: (name) => resolveFrom({ "rebinding.test": answers.shift() ?? [] })(name) },
  });
  await expect(failing).rejects.toThrow("rebinding.test has the address 169.254.169.254, which is not allowed");
  expect(server(0).requests).toHaveLength(1);
  expect(answers).toEqual([]);
});

test.each(["127.0.0.1", "named.test"])("https://%s is checked as well", async (host) => {
  const failing = testFetch({
    config: { modelDirectory, storageUri: `https://${host}:${portOf(server(0))}/m.onnx`, storageAllowedNetworks: [] },
    options: { resolveHost: resolveFrom({ "named.test": ["127.0.0.1"] }) },
  });
  await expect(failing).rejects.toMatchObject({ code: "ADDRESS_NOT_ALLOWED" });
});

test("of several addresses, only the allowed ones are connected to", async () => {
  await testFetch({
    config: {
      modelDirectory,
      storageUri: `http://two.test:${portOf(server(1))}/m.onnx`,
      storageAllowedNetworks: ["127.0.0.2/32"],
    },
    options: { resolveHost: resolveFrom({ "two.test": ["127.0.0.1", "169.254.169.254", "127.0.0.2"] }) },
  });
  expect(server(1).requests).toHaveLength(1);
});

test("an unknown name is tried again, since name servers have their moments", async () => {
  const failing = testFetch({
    config: { modelDirectory, storageUri: "http://nobody.test/m" },
    options: { resolveHost: resolveFrom({}) },
  });
  await expect(failing).rejects.toThrow("http://nobody.test/m: ENOTFOUND nobody.test; given up after 5 attempts");
});

describe("redirects", () => {
  /** The first server sends to `location`, all else is answered. */
  async function follow(location: string, access: Partial<HttpAccess> = {}) {
    answer = (request, response) =>
      request.url === "/first" ? response.writeHead(302, { location }).end() : response.end(BODY);
    const opened = await get(new URL(`${server(0).origin}/first`), {
      access: { ...makeHttpAccess(LOOPBACK, resolveFrom({}), 5000), ...access },
      signal,
      authorization: "Bearer s3cr3t",
      headers: { range: "bytes=1-" },
    });
    return Buffer.concat(await Array.fromAsync(opened.chunks));
  }

  test("on the same host keep the credentials", async () => {
    expect(await follow("/second")).toEqual(BODY);
    const headers = server(0).requests.map((request) => request.headers.authorization);
    expect(headers).toEqual(["Bearer s3cr3t", "Bearer s3cr3t"]);
  });

  test("to another host are followed without the credentials, with the range", async () => {
    expect(await follow(`${server(1).origin}/second`)).toEqual(BODY);
    expect(server(0).requests[0]?.headers.authorization).toBe("Bearer s3cr3t");
    expect(server(1).requests[0]?.headers).not.toHaveProperty("authorization");
    expect(server(1).requests[0]?.headers.range).toBe("bytes=1-");
  });

  test("to another port of the same host are another host's", async () => {
    const third = await startHttpServer((_request, response) => response.end(BODY));
    servers.push(third);
    await follow(`${third.origin}/second`);
    expect(third.requests[0]?.headers).not.toHaveProperty("authorization");
  });

  const REFUSED: readonly [string, string, string, RegExp][] = [
    ["to metadata", "http://169.254.169.254/latest?x=s3cr3t", "ADDRESS_NOT_ALLOWED", /169.254.169.254 is not allowed/],
    ["to no address", "http://", "STORAGE_UNAVAILABLE", /first: a redirect without a valid address/],
    ["to a file", "file:///etc/passwd", "INVALID_STORAGE_URI", /neither https nor http; give the final address/],
    [
      "with a password",
      "http://a:s3cr3t@127.0.0.1/",
      "INVALID_STORAGE_URI",
      /redirects to http:\/\/127.0.0.1\/, with a/,
    ],
    ["in a circle", "/first", "STORAGE_UNAVAILABLE", /first: more than 5 redirects/],
  ];
  test.each(REFUSED)("%s are refused", async (_name, location, code, message) => {
    const failing = follow(location);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.not.toThrow(/s3cr3t/);
    await expect(failing).rejects.toMatchObject({ code });
  });

  test("without an address are refused", async () => {
    answer = (_request, response) => response.writeHead(302).end();
    const failing = testFetch({ config: { modelDirectory, storageUri: `${server(0).origin}/m` } });
    await expect(failing).rejects.toThrow("a redirect without a valid address");
  });

  test("from a public host into a private network are refused, between private hosts not", async () => {
    const isPublic = (address: string) => address === "127.0.0.1";
    const failing = follow(`${server(1).origin}/second`, { isPublic });
    await expect(failing).rejects.toThrow(
      "127.0.0.2 is not allowed; a public host must not redirect into a private network",
    );
    expect(server(1).requests).toHaveLength(0);
    expect(await follow(`${server(1).origin}/second`, { isPublic: () => false })).toEqual(BODY);
  });

  test("from https to http are refused, the other way round not", () => {
    const secure = new URL("https://models.example.com/a");
    expect(() => redirectTarget(secure, "http://models.example.com/a")).toThrow(
      "which is not encrypted; give the final",
    );
    const open = new URL("http://models.example.com/a");
    expect(redirectTarget(open, "https://cdn.example.com/a").href).toBe("https://cdn.example.com/a");
  });
});
