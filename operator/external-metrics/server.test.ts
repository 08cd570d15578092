// The server as clients meet it: real TLS on loopback, certificates with one thing wrong at a time.

import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import { Agent, request } from "node:https";
import { connect as connectTcp } from "node:net";
import { connect, type SecureVersion, type TLSSocket } from "node:tls";
import type { SubjectAccessReview } from "kubernetes-types/authorization/v1.js";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../kube/clock.ts";
import { silentLogger } from "../kube/testing.ts";
import { Authorizer } from "./authorization.ts";
import { createAuthority, issueServingCertificate } from "./certificate.ts";
import { type Identity, makeAuthority, makeClient } from "./front-proxy-certificates.ts";
import type { FrontProxyTrust } from "./front-proxy-trust.ts";
import { InMemoryClient } from "./in-memory-client.ts";
import { MetricsServer } from "./server.ts";

const serverName = "plimsoll-external-metrics.plimsoll-system.svc";
const metricPath = "/apis/external.metrics.k8s.io/v1beta1/namespaces/vision/plimsoll_request_rate";
const asHpa = {
  "x-remote-user": "system:serviceaccount:kube-system:horizontal-pod-autoscaler",
  "x-remote-group": "system:serviceaccounts",
};

const frontProxy = await makeAuthority("front-proxy-ca");
const otherAuthority = await makeAuthority("other-ca");
const intermediate = await makeAuthority("intermediate", frontProxy);
const authority = await createAuthority(Date.now());
const serving = await issueServingCertificate(authority, [serverName], Date.now());
const good = await makeClient(frontProxy);

const trust: FrontProxyTrust = {
  authorities: [frontProxy.cert],
  allowedNames: ["front-proxy-client"],
  usernameHeaders: ["x-remote-user"],
  uidHeaders: ["x-remote-uid"],
  groupHeaders: ["x-remote-group"],
  extraHeaderPrefixes: ["x-remote-extra-"],
};

const api = new InMemoryClient();
let reviewed: SubjectAccessReview["spec"][] = [];
let nowMs = Date.now();
let server: MetricsServer;
let port = 0;

const source = {
  metricNames: ["plimsoll_request_rate"],
  value: () => ({ value: 10.5, atMs: nowMs }),
  list: () => [{ serviceName: "resnet", value: 10.5, atMs: nowMs }],
};

function makeServer(): MetricsServer {
  const authorizer = new Authorizer({ client: api, clock: systemClock, rememberMs: 0 });
  return new MetricsServer(
    { source, authorizer, now: () => nowMs, maxSampleAgeMs: 30_000, logger: silentLogger },
    { serving, trust },
  );
}

beforeAll(async () => {
  api.reviews.set("SubjectAccessReview", (review) => {
    const { spec } = review as SubjectAccessReview;
    reviewed.push(spec);
    return { ...review, status: { allowed: spec.user !== "eve", reason: "" } };
  });
  server = makeServer();
  ({ port } = await server.listen("127.0.0.1", 0));
});

afterAll(() => server.close());

beforeEach(() => {
  nowMs = Date.now();
  reviewed = [];
  api.before = () => undefined;
  server.use({ serving, trust });
});

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Ask {
  client?: Pick<Identity, "cert" | "key">;
  headers?: Record<string, string | string[]>;
  method?: string;
  path?: string;
  agent?: Agent;
  port?: number;
}

async function ask({
  client,
  headers = asHpa,
  method = "GET",
  path = metricPath,
  agent,
  port: toPort = port,
}: Ask): Promise<Answer> {
  const outgoing = request({
    host: "127.0.0.1",
    port: toPort,
    servername: serverName,
    ca: [...authority.certificates],
    ...(client === undefined ? {} : { cert: client.cert, key: client.key }),
    agent: agent ?? false,
    method,
    path,
    headers,
  });
  outgoing.end();
  const [response] = await once(outgoing, "response");
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode, headers: response.headers, body };
}

describe("with a client certificate that is", () => {
  test.each<[sentence: string, client: () => Promise<Pick<Identity, "cert" | "key"> | undefined>, status: number]>([
    ["the front proxy's, the metric is served", async () => good, 200],
    ["missing, spoofed headers are refused", async () => undefined, 401],
    ["of another authority, it is refused", () => makeClient(otherAuthority), 401],
    ["its own authority, it is refused", () => makeAuthority("front-proxy-client"), 401],
    [
      "of an authority of the same name, it is refused",
      async () => makeClient(await makeAuthority("front-proxy-ca")),
      401,
    ],
    ["of another name, it is refused", () => makeClient(frontProxy, { commonName: "kubelet" }), 401],
    ["expired, it is refused", () => makeClient(frontProxy, { validDays: [-2, -1] }), 401],
    ["not yet valid, it is refused", () => makeClient(frontProxy, { validDays: [1, 2] }), 401],
    ["for servers only, it is refused", () => makeClient(frontProxy, { usage: "serverAuth" }), 401],
    [
      "of an intermediate that it brings along, the metric is served",
      async () => {
        const { cert, key } = await makeClient(intermediate);
        return { cert: cert + intermediate.cert, key };
      },
      200,
    ],
    ["of an intermediate that nobody knows, it is refused", () => makeClient(intermediate), 401],
    [
      "issued by a client instead of an authority, it is refused",
      async () => {
        const { cert, key } = await makeClient(good);
        return { cert: cert + good.cert, key };
      },
      401,
    ],
  ])("%s", async (_sentence, client, status) => {
    const identity = await client();
    const answer = await ask({
      headers: { "x-remote-user": "admin", "x-remote-group": "system:masters" },
      ...(identity === undefined ? {} : { client: identity }),
    });
    expect(answer.status).toBe(status);
    // Nobody is asked about a user whom only a stranger names.
    expect(reviewed.map(({ user }) => user)).toEqual(status === 200 ? ["admin"] : []);
  });
});

test("any name will do when the cluster allows any", async () => {
  server.use({ serving, trust: { ...trust, allowedNames: [] } });
  expect((await ask({ client: await makeClient(frontProxy, { commonName: "whoever" }) })).status).toBe(200);
});

test("the user's name, uid, groups and extras are those that the front proxy names", async () => {
  await ask({
    client: good,
    headers: {
      "X-Remote-User": Buffer.from("jürgen").toString("latin1"),
      "X-Remote-Uid": "42",
      "X-Remote-Group": ["team, with a comma", "other"],
      "X-Remote-Extra-Scopes": ["a", "b"],
      "X-Remote-Extra-Example.org%2fkey": "c",
      "X-Remote-Extra-%zz": "d",
    },
  });
  expect(reviewed[0]).toMatchObject({
    user: "jürgen",
    uid: "42",
    groups: ["team, with a comma", "other", "system:authenticated"],
    extra: { scopes: ["a", "b"], "example.org/key": ["c"], "%zz": ["d"] },
  });
});

describe("the groups of", () => {
  test.each<[user: string, groups: string[], expected: string[]]>([
    ["alice", ["a"], ["a", "system:authenticated"]],
    ["alice", ["a", "system:authenticated"], ["a", "system:authenticated"]],
    ["system:anonymous", ["system:unauthenticated"], ["system:unauthenticated"]],
    ["system:anonymous", ["a"], ["a"]],
  ])("%s in %j are %j", async (user, groups, expected) => {
    await ask({ client: good, headers: { "x-remote-user": user, "x-remote-group": groups } });
    expect(reviewed[0]?.groups).toEqual(expected);
  });
});

describe("the front proxy asking for", () => {
  test.each<[sentence: string, question: Ask, status: number, message: string]>([
    ["nobody is refused", { headers: {} }, 401, "x-remote-user"],
    ["a user without a name is refused", { headers: { "x-remote-user": "" } }, 401, "x-remote-user"],
    ["a user who may not is refused", { headers: { "x-remote-user": "eve" } }, 403, 'User "eve" cannot list resource'],
    [
      "discovery for a user who may not is refused",
      { headers: { "x-remote-user": "eve" }, path: "/openapi/v2" },
      403,
      "cannot get path",
    ],
    ["an unknown path learns so", { path: "/apis" }, 404, "/apis"],
    ["a root-scoped metric learns that there is none", { path: "/apis/external.metrics.k8s.io/v1beta1/x" }, 404, "/x"],
    ["a bad selector learns what is allowed", { path: `${metricPath}?labelSelector=a%20b` }, 400, "KEY=VALUE"],
    ["POST learns that metrics are read-only", { method: "POST" }, 405, "read-only"],
    ["DELETE learns that metrics are read-only", { method: "DELETE" }, 405, "read-only"],
  ])("%s", async (_sentence, question, status, message) => {
    const answer = await ask({ client: good, ...question });
    const body = JSON.parse(answer.body) as Record<string, unknown>;
    expect(answer.status).toBe(status);
    expect(body).toMatchObject({ kind: "Status", apiVersion: "v1", status: "Failure", code: status });
    expect(body["message"]).toContain(message);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(answer.headers.allow).toBe(status === 405 ? "GET" : undefined);
  });
});

test("no answer redirects, whatever the path", async () => {
  const paths = ["//evil.example/", "/apis/external.metrics.k8s.io//", "/..", "/healthz/", "/%2e%2e/apis", metricPath];
  const answers = await Promise.all(paths.map((path) => ask({ client: good, path })));
  expect(answers.filter(({ status, headers }) => (status >= 300 && status < 400) || headers.location)).toEqual([]);
});

test("health is open to everybody, and nothing else", async () => {
  for (const path of ["/healthz", "/livez", "/readyz?verbose"]) {
    expect(await ask({ path, headers: {} })).toMatchObject({ status: 200, body: "ok" });
  }
  for (const path of ["/", "/metrics", "/openapi/v2", "/healthz/x", "/apis/external.metrics.k8s.io"]) {
    expect((await ask({ path, headers: {} })).status).toBe(401);
  }
});

test("when nobody can say whether the user may, the answer is an error and says nothing of its cause", async () => {
  api.before = () => {
    throw new Error("secret circumstances");
  };
  const answer = await ask({ client: good });
  expect(answer.status).toBe(500);
  expect(answer.body).not.toContain("secret");
});

test("a user with some hundred groups is served, one with endless headers is refused", async () => {
  const groups = (count: number) => Array.from({ length: count }, (_, index) => `${"g".repeat(100)}-${index}`);
  const headers = { ...asHpa, "x-remote-group": groups(500) };
  expect((await ask({ client: good, headers })).status).toBe(200);
  const endless = { ...asHpa, "x-remote-group": groups(4000) };
  // The connection may end before all is sent, and the answer with it.
  const status = await ask({ client: good, headers: endless }).then(
    (answer) => answer.status,
    () => "closed",
  );
  expect([431, "closed"]).toContain(status);
});

test("a client certificate that ends while its connection is open is no longer believed", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect((await ask({ client: good, agent })).status).toBe(200);
  nowMs += 2 * 24 * 60 * 60 * 1000;
  const answer = await ask({ client: good, agent });
  expect(answer).toMatchObject({ status: 401 });
  expect(answer.body).toContain("expired");
  agent.destroy();
});

async function handshake(maxVersion: SecureVersion = "TLSv1.3", toPort = port): Promise<TLSSocket> {
  const socket = connect({
    host: "127.0.0.1",
    port: toPort,
    servername: serverName,
    ca: [...authority.certificates],
    cert: good.cert,
    key: good.key,
    maxVersion,
  });
  await once(socket, "secureConnect");
  return socket;
}

describe("when the front proxy's authority changes", () => {
  const next: FrontProxyTrust = { ...trust, authorities: [otherAuthority.cert] };

  test("the new one is believed and the old one no more, without a restart", async () => {
    server.use({ serving, trust: next });
    expect((await ask({ client: await makeClient(otherAuthority) })).status).toBe(200);
    expect((await ask({ client: good })).status).toBe(401);
  });

  test("connections that the old one opened end", async () => {
    const socket = await handshake();
    server.use({ serving, trust: next });
    await once(socket, "close");
  });

  test("connections whose handshake was under way end", async () => {
    const socket = connectTcp(port, "127.0.0.1");
    await once(socket, "connect");
    // Its bytes arrive after those of this answer's connection, so the server knows the first one by then.
    await ask({ client: good });
    server.use({ serving, trust: next });
    await once(socket.resume(), "close");
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("no session survives it (%s)", async (maxVersion) => {
    const sessions: Buffer[] = [];
    const first = await handshake(maxVersion);
    first.on("session", (session: Buffer) => sessions.push(session));
    first.write(`GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    await once(first.resume(), "close");
    for (const session of [first.getSession(), ...sessions]) {
      if (session === undefined) continue;
      const second = connect({
        host: "127.0.0.1",
        port,
        servername: serverName,
        ca: [...authority.certificates],
        session,
      });
      await once(second, "secureConnect");
      expect(second.isSessionReused()).toBe(false);
      second.destroy();
    }
  });
});

test("a new serving certificate is shown to new connections, and open ones go on", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await ask({ client: good, agent });
  const renewed = await issueServingCertificate(authority, [serverName], Date.now());
  server.use({ serving: renewed, trust });
  const socket = await handshake();
  expect(socket.getPeerX509Certificate()?.toString()).toBe(renewed.certificate);
  socket.destroy();
  const answer = await ask({ client: good, agent });
  expect(answer.status).toBe(200);
  agent.destroy();
});

test("old TLS versions are refused", async () => {
  await expect(handshake("TLSv1.1")).rejects.toThrow();
});

test("what is not HTTP is answered with a Status", async () => {
  const socket = await handshake();
  socket.write("\0\0\0\r\n\r\n");
  let text = "";
  for await (const chunk of socket) text += String(chunk);
  expect(text).toMatch(/^HTTP\/1\.1 400 /);
  expect(text).toContain('"kind":"Status"');
});

test("closing answers what has arrived, and does not wait for connections that ask nothing", async () => {
  const closing = makeServer();
  const { port: closingPort } = await closing.listen("127.0.0.1", 0);
  const silent = await handshake("TLSv1.3", closingPort);
  const arrived = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  api.before = () => arrived.resolve();
  const review = api.reviews.get("SubjectAccessReview");
  api.reviews.set("SubjectAccessReview", async (question) => {
    await released.promise;
    return review?.(question) ?? question;
  });
  const answer = ask({ client: good, port: closingPort });
  await arrived.promise;
  const closed = closing.close();
  released.resolve();
  expect((await answer).status).toBe(200);
  await closed;
  expect(silent.destroyed || (await once(silent.resume(), "close"))).toBeTruthy();
  if (review !== undefined) api.reviews.set("SubjectAccessReview", review);
});
