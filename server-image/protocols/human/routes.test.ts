// The human side over real HTTP against real models: the page, what runs in it, and the OpenAPI document.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createContext, runInContext } from "node:vm";

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

import { startTestServer, type TestServer, testModel } from "../../test-server.ts";
import { PAGE_SCRIPT } from "./page-script.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const servers = new Map<string, TestServer>();
const MODELS = [
  "add-sub",
  "identity-rows",
  "identity-bytes",
  "identity-bool",
  "identity-uint64",
  "scalar",
  "odd-names",
  "constant",
  "identity-fp16",
];

beforeAll(async () => {
  await Promise.all(
    MODELS.map(async (name) => {
      const server = await startTestServer(testModel(name));
      servers.set(name, server);
      await server.loaded;
    }),
  );
});

afterAll(async () => {
  await Promise.all([...servers.values()].map((server) => server.stop()));
});

function serverOf(name: string): TestServer {
  return servers.get(name)!;
}

function unescape(text: string): string {
  const characters: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" };
  return text.replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => characters[name] ?? "");
}

/** What is in the form before anyone types. */
function sampleOf(page: string): string {
  return unescape(/<textarea [^>]*>\n([^<]*)<\/textarea>/.exec(page)?.[1] ?? "");
}

describe("the page", () => {
  test("names the model, its version, what runs it, inputs and outputs", async () => {
    const { status, headers, text } = await serverOf("identity-rows").get("/");
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
    const shown = text
      .replaceAll(/<(style|script)>[\s\S]*?<\/\1>/g, "")
      .replaceAll(/<[^>]*>/g, " ")
      .replaceAll(/\s+/g, " ");
    expect(shown).toMatch(/m version 1 ready/);
    expect(shown).toMatch(/Execution provider cpu Run by 1 worker with 1 thread/);
    expect(shown).toMatch(/Inputs Name Datatype Shape x FP32 any × 3 Outputs Name Datatype Shape y FP32 any × 3/);
  });

  test("runs its own script and style only, and asks no other server", async () => {
    const { headers, text } = await serverOf("identity-rows").get("/");
    const policy = headers.get("content-security-policy") ?? "";
    const [style, script] = [/<style>([\s\S]*)<\/style>/, /<script>([\s\S]*)<\/script>/].map(
      (form) => form.exec(text)?.[1] ?? "",
    );
    const hashOf = (content: string) => createHash("sha256").update(content).digest("base64");
    expect(policy.split("; ")).toEqual([
      "default-src 'none'",
      `script-src 'sha256-${hashOf(script!)}'`,
      `style-src 'sha256-${hashOf(style!)}'`,
      "connect-src 'self'",
      "img-src data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
    expect(text).not.toMatch(/(?:src|href)="(?!data:)(?:\w+:|\/\/)/);
    expect(text).not.toMatch(/ style="| on\w+="/);
  });

  test.each(MODELS.filter((name) => name !== "identity-fp16"))(
    "of %s: its form holds a request that the model takes",
    async (name) => {
      const server = serverOf(name);
      const answer = await server.infer(sampleOf((await server.get("/")).text));
      expect(answer).toMatchObject({ status: 200, json: { model_name: "m", outputs: expect.any(Array) as unknown[] } });
    },
  );

  test("has no form where the model cannot be asked in JSON", async () => {
    const { text } = await serverOf("identity-fp16").get("/");
    expect(text).toContain("This model takes FP16, which the protocol carries as binary data only");
    expect(text).not.toContain("<form");
  });

  test("names that look like markup are text", async () => {
    const server = await startTestServer(testModel("odd-names"), { modelName: '<script>"&' });
    await server.loaded;
    const { text } = await server.get("/");
    expect(text).toContain("<h1>&lt;script&gt;&quot;&amp;</h1>");
    expect(text).toContain('data-infer="v2/models/%3Cscript%3E%22%26/infer"');
    expect(text).toContain('<th scope="row">{&quot;1&quot;: &quot;a/b c&quot;}</th>');
    await server.stop();
  });

  test("before the model is loaded: says how far it is, and asks again", async () => {
    const silent = createServer((_request, response) => response.writeHead(200, { "content-length": 10 }).write("x"));
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const server = await startTestServer(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/model.onnx`);
    const { status, text } = await server.get("/");
    expect(status).toBe(200);
    expect(text).toContain('data-state="starting">model is starting: download</p>');
    expect(text).toContain('<meta http-equiv="refresh" content="2">');
    expect(await server.get("/v2/models/m/openapi.json")).toMatchObject({
      status: 503,
      json: { error: "model is starting: download" },
    });
    server.loaded.catch(() => undefined);
    await server.stop();
    silent.closeAllConnections();
    silent.close();
  });

  test.each([
    ["HEAD", "/", 200],
    ["POST", "/", 405],
    ["DELETE", "/v2/models/m/openapi.json", 405],
  ])("%s %s is %d", async (method, path, status) => {
    const response = await fetch(`${serverOf("scalar").url}${path}`, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get("allow")).toBe(status === 405 ? "GET, HEAD" : null);
  });
});

/** As much of a browser's document as the script uses. */
class FakeElement {
  textContent = "";
  value = "";
  hidden = false;
  disabled = false;
  readonly dataset: Record<string, unknown> = {};
  readonly style: Record<string, string> = {};
  readonly attributes: Record<string, string> = {};
  readonly classes = new Set<string>();
  submit: ((event: object) => Promise<void>) | undefined;
  readonly classList = {
    toggle: (name: string, on: boolean) => (on ? this.classes.add(name) : this.classes.delete(name)),
  };
  setAttribute(name: string, value: string): void {
    this.attributes[name] = value;
  }
  addEventListener(_type: string, listener: (event: object) => Promise<void>): void {
    this.submit = listener;
  }
}

/** Runs the page's script against a server; `metrics` replaces what the server says of itself. */
function openPage(server: TestServer, metrics?: () => string) {
  const elements = new Map<string, FakeElement>();
  const element = (id: string) => elements.get(id) ?? elements.set(id, new FakeElement()).get(id)!;
  const polls: (() => Promise<void>)[] = [];
  let now = 0;
  const context = createContext({
    document: {
      getElementById: element,
      hidden: false,
      body: { dataset: { ready: "v2/models/m/ready", infer: "v2/models/m/infer" } },
    },
    performance: { now: () => now },
    setInterval: (poll: () => Promise<void>) => polls.push(poll),
    fetch: async (path: string, init?: RequestInit) =>
      path === "metrics" && metrics !== undefined ? new Response(metrics()) : fetch(`${server.url}/${path}`, init),
    TextDecoder,
    Uint8Array,
  });
  runInContext(PAGE_SCRIPT, context);
  const later = async (milliseconds: number) => {
    now += milliseconds;
    await polls[0]!();
  };
  return { element, later };
}

describe("the page's script", () => {
  test("shows the figures of the server", async () => {
    const server = serverOf("identity-rows");
    const { element, later } = openPage(server);
    await vi.waitFor(() => expect(element("state").textContent).toBe("ready"), 5000);
    expect(element("rate").textContent).toBe("–");
    for (let index = 0; index < 4; index += 1) {
      await server.infer({ inputs: [{ name: "x", shape: [1, 3], datatype: "FP32", data: [1, 2, 3] }] });
    }
    await later(2000);
    expect(element("rate").textContent).toBe("2");
    expect(element("in-flight").textContent).toBe("0");
    expect(element("queue").textContent).toBe("0");
    expect(element("latency").textContent).toMatch(/^[\d.,]+ ms$/);
    expect(element("state").dataset).toEqual({ state: "ready" });
  });

  test("shows how much of the load line is used, each protocol by its own", async () => {
    let received = { json: 0, tfs: 0 };
    const { element, later } = openPage(serverOf("scalar"), () =>
      [
        `plimsoll_requests_received_total{protocol="v2-rest"} ${received.json}`,
        `plimsoll_requests_received_total{protocol="tfs-rest"} ${received.tfs}`,
        'plimsoll_load_line_requests_per_second{protocol="v2-rest"} 1000',
        'plimsoll_load_line_requests_per_second{protocol="tfs-rest"} 500',
      ].join("\n"),
    );
    await vi.waitFor(() => expect(element("lines").textContent).toBe("of 1,000/s v2-rest, 500/s tfs-rest"), 5000);
    received = { json: 500, tfs: 250 };
    await later(1000);
    expect(element("load").textContent).toBe("100 %");
    received = { json: 2500, tfs: 250 };
    await later(1000);
    expect(element("load").textContent).toBe("200 %");
    expect([...element("gauge").classes]).toEqual(["over"]);
    expect(element("gauge-fill").style).toEqual({ width: "100%" });
    expect(element("rate").textContent).toBe("2,000");
  });

  test("says nothing of a load line that is not known", async () => {
    const { element } = openPage(serverOf("scalar"), () => "");
    await vi.waitFor(() => expect(element("load-tile").hidden).toBe(true), 5000);
  });

  test("sends the form, with random data where it says so, and shows the answer with its time", async () => {
    const { element } = openPage(serverOf("identity-rows"));
    const request = { inputs: [{ name: "x", shape: [40, 3], datatype: "FP32", data: "random" }] };
    element("request").value = JSON.stringify(request);
    await element("form").submit!({ preventDefault: () => undefined });
    expect(element("outcome").textContent).toMatch(/^200 OK after [\d.]+ ms$/);
    expect(element("outcome").dataset).toEqual({ good: true });
    const { outputs } = JSON.parse(element("answer").textContent) as { outputs: { data: number[] }[] };
    expect(new Set(outputs[0]?.data).size).toBeGreaterThan(10);
    expect(element("send").disabled).toBe(false);
  });

  test("shows what the server says of a wrong request", async () => {
    const { element } = openPage(serverOf("identity-rows"));
    element("request").value = "{";
    await element("form").submit!({ preventDefault: () => undefined });
    expect(element("outcome").textContent).toMatch(/^400 Bad Request after/);
    expect(element("outcome").dataset).toEqual({ good: false });
    expect(element("answer").textContent).toContain("the body is not valid JSON");
  });

  test("says when the server cannot be reached", async () => {
    const { element } = openPage({ ...serverOf("scalar"), url: "http://127.0.0.1:1" });
    await vi.waitFor(() => expect(element("state").textContent).toBe("not reachable"), 5000);
  });
});
