// The program as a process: ready, drain without loss, failures with exit code and termination log.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, createServer, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import {
  killPrograms,
  listening,
  logged,
  MAIN,
  type Program,
  ready,
  startProcess,
  startProgram,
  startServing,
} from "./test-program.ts";
import { ocrModel, testModel } from "./test-server.ts";

vi.setConfig({ testTimeout: 60_000 });

const asProcessOne = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
const canMakePidNamespaces = spawnSync(asProcessOne[0] ?? "", [...asProcessOne.slice(1), "true"]).status === 0;
const DEADLINE = { timeout: 20_000, interval: 20 };

let folder: string;
let terminationLog: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "plimsoll-main-test-"));
  terminationLog = path.join(folder, "termination-log");
  await writeFile(terminationLog, "");
});

afterEach(async () => {
  await killPrograms();
  await rm(folder, { recursive: true });
});

function serve(model: string, ...argv: string[]): Program {
  return startServing(model, terminationLog, ...argv);
}

/** A model that runs for as long as a request says, on a worker: nothing else waits for it. */
function serveBusy(...argv: string[]): Program {
  return serve(testModel("busy"), "--workers", "1", ...argv);
}

const busy = (iterations: number) =>
  JSON.stringify({ inputs: [{ name: "iterations", shape: [], datatype: "INT64", data: [iterations] }] });

interface Answer {
  readonly status: number;
  readonly connection: string | undefined;
}

/** Requests through a given agent, so that tests decide about connections. */
async function send(url: string, agent: Agent, body?: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const request = httpRequest(url, { agent, method: body === undefined ? "GET" : "POST" }, (response) => {
    response.resume().on("end", () => {
      resolve({ status: response.statusCode ?? 0, connection: response.headers.connection });
    });
  });
  request.on("error", reject).end(body);
  return promise;
}

describe("SIGTERM", () => {
  test("requests in flight, waiting and arriving are all answered; then exit code 0", async () => {
    const program = serveBusy("--drain-delay-seconds", "3600");
    const { url } = await ready(program);
    const infer = `${url}/v2/models/m/infer`;
    const perRequest = new Agent({ keepAlive: false });
    const kept = new Agent({ keepAlive: true, maxSockets: 1 });
    // A connection from before that stays open.
    expect(await send(`${url}/v2/health/ready`, kept)).toEqual({ status: 200, connection: "keep-alive" });

    const inFlight = Array.from({ length: 6 }, () => send(infer, perRequest, busy(300)));
    await vi.waitFor(async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      expect(text).toMatch(/^plimsoll_requests_in_flight [1-6]$/m);
    }, DEADLINE);
    program.process.kill("SIGTERM");
    await logged(program, "stopping");

    expect(await send(`${url}/v2/health/ready`, perRequest)).toEqual({ status: 503, connection: "close" });
    expect(await send(`${url}/v2/health/live`, perRequest)).toEqual({ status: 200, connection: "close" });
    expect(await send(infer, kept, busy(1))).toEqual({ status: 200, connection: "close" });
    const arriving = Array.from({ length: 4 }, () => send(infer, perRequest, busy(10)));
    const answers = await Promise.all([...inFlight, ...arriving]);
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }).fill(200));

    // Ends the drain delay.
    program.process.kill("SIGTERM");
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(program.lines.at(-1)).toMatchObject({ level: "info", msg: "stopped" });
    expect(await readFile(terminationLog, "utf8")).toBe("");
  });

  test("a second signal ends the drain delay, not the requests", async () => {
    const program = serveBusy("--drain-delay-seconds", "3600");
    const { url } = await ready(program);
    const inFlight = send(`${url}/v2/models/m/infer`, new Agent(), busy(2000));
    await vi.waitFor(async () => {
      expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^plimsoll_requests_in_flight 1$/m);
    }, DEADLINE);
    program.process.kill("SIGTERM");
    await logged(program, "stopping");
    program.process.kill("SIGINT");
    expect(await inFlight).toMatchObject({ status: 200 });
    expect(await program.exit).toEqual({ code: 0, signal: null });
  });

  test("a run that does not end in the grace period: SIGKILL, and the termination log says why", async () => {
    const program = serveBusy("--drain-delay-seconds", "0", "--grace-period-seconds", "1.5");
    const { url } = await ready(program);
    const lost = send(`${url}/v2/models/m/infer`, new Agent(), busy(10_000_000));
    const noted = lost.catch((error: NodeJS.ErrnoException) => error.code);
    await vi.waitFor(async () => {
      expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^plimsoll_requests_in_flight 1$/m);
    }, DEADLINE);
    program.process.kill("SIGTERM");
    expect(await program.exit).toEqual({ code: null, signal: "SIGKILL" });
    expect(await noted).toBe("ECONNRESET");
    expect(JSON.parse(await readFile(terminationLog, "utf8"))).toEqual({
      code: "GRACE_PERIOD_EXCEEDED",
      message: "requests were still in progress 0.5 s after SIGTERM",
      phase: "stop",
    });
  });

  test("clients that are slow do not make the end a violent one", async () => {
    const limits = ["--drain-delay-seconds", "0", "--grace-period-seconds", "5", "--io-threads", "2"];
    const program = serveBusy(...limits);
    const { port } = await ready(program);
    // So many that each thread has some.
    const slow = Array.from({ length: 20 }, () => {
      const socket = connect(port, "127.0.0.1").setEncoding("latin1");
      socket.write("POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
      const trickle = setInterval(() => socket.write(" "), 100);
      socket.on("error", () => undefined).on("close", () => clearInterval(trickle));
      return socket.toArray();
    });
    await vi.waitFor(async () => {
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(text).toContain('plimsoll_requests_received_total{protocol="v2-rest"} 20');
    }, DEADLINE);
    program.process.kill("SIGTERM");
    expect(await program.exit).toEqual({ code: 0, signal: null });
    for (const chunks of await Promise.all(slow)) {
      expect(chunks.join("")).toMatch(/^HTTP\/1\.1 408 /);
    }
  });

  test("while the model is being measured: nothing further is begun, exit code 0", async () => {
    const program = serveBusy("--calibration-seconds", "2", "--drain-delay-seconds", "3600");
    await vi.waitFor(() => expect(program.lines).toContainEqual(expect.objectContaining({ phase: "load" })), DEADLINE);
    program.process.kill("SIGTERM");
    expect(await program.exit).toEqual({ code: 0, signal: null });
    expect(program.lines.map(({ msg }) => msg)).not.toContain("ready");
    expect(await readFile(terminationLog, "utf8")).toBe("");
  });

  test("while the model is still being fetched: no delay, exit code 0", async () => {
    const silent = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as { port: number };
    const loopback = ["--storage-allowed-networks", "127.0.0.0/8"];
    const program = serve(`http://127.0.0.1:${port}/m.onnx`, "--drain-delay-seconds", "3600", ...loopback);
    await logged(program, "listening");
    program.process.kill("SIGTERM");
    expect(await program.exit).toEqual({ code: 0, signal: null });
    silent.closeAllConnections();
    silent.close();
  });
});

test("it is alive from the beginning to the end, and ready only while all requests are answered", async () => {
  // Some seconds of loading and measuring.
  const program = serve(ocrModel("ch_ppocr_mobile_v2.0_cls_infer"), "--calibration-seconds", "1");
  const { url } = await listening(program);
  const agent = new Agent({ keepAlive: false });
  const status = async (what: string, body?: string) => (await send(`${url}/v2/${what}`, agent, body)).status;
  const x = { name: "x", shape: [1, 3, 48, 192], datatype: "FP32", data: Array.from({ length: 27_648 }).fill(0) };
  const states: (readonly [live: number, ready: number, infer: number])[] = [];
  const observe = async () => {
    states.push([
      await status("health/live"),
      await status("health/ready"),
      await status("models/m/infer", JSON.stringify({ inputs: [x] })),
    ]);
  };
  while (states.at(-1)?.[1] !== 200) {
    await observe();
  }
  program.process.kill("SIGTERM");
  await logged(program, "stopping");
  await observe();
  program.process.kill("SIGTERM");
  await program.exit;
  expect(new Set(states.map(String))).toEqual(new Set(["200,503,503", "200,200,200", "200,503,200"]));
  expect(states.slice(0, -2).every(([, readiness]) => readiness === 503)).toBe(true);
});

describe("failures", () => {
  test("a run beyond its limit: SIGKILL, and the termination log says why", async () => {
    const program = serveBusy("--run-timeout-seconds", "0.3");
    const { url } = await ready(program);
    const lost = send(`${url}/v2/models/m/infer`, new Agent(), busy(10_000_000));
    const noted = lost.catch((error: NodeJS.ErrnoException) => error.code);
    expect(await program.exit).toEqual({ code: null, signal: "SIGKILL" });
    expect(await noted).toBe("ECONNRESET");
    expect(JSON.parse(await readFile(terminationLog, "utf8"))).toMatchObject({ code: "RUN_STUCK", phase: "run" });
  });

  // In a container the server is process 1, which the kernel protects from its own SIGKILL.
  test.runIf(canMakePidNamespaces)("a run beyond its limit ends process 1 of a container too", async () => {
    const shared = ["--model-name", "m", "--http-port", "0", "--grpc-port", "0", "--termination-log", terminationLog];
    const server = [
      process.execPath,
      MAIN,
      ...shared,
      "--storage-uri",
      testModel("busy"),
      "--workers",
      "1",
      "--run-timeout-seconds",
      "0.3",
    ];
    const program = startProcess([...asProcessOne, ...server]);
    const { url } = await ready(program);
    await send(`${url}/v2/models/m/infer`, new Agent(), busy(10_000_000)).catch(() => undefined);
    expect((await program.exit).code).not.toBe(0);
    expect(JSON.parse(await readFile(terminationLog, "utf8"))).toMatchObject({ code: "RUN_STUCK", phase: "run" });
  });

  const LOADS: [string, string, object][] = [
    ["no such file", "/nonexistent.onnx", { code: "MODEL_NOT_FOUND", phase: "download" }],
    ["no model", MAIN, { code: "MODEL_INVALID", phase: "load" }],
    ["a model with a sequence", testModel("sequence-output"), { code: "MODEL_UNSUPPORTED", phase: "load" }],
  ];
  test.each(LOADS)("%s: exit code 2 and the reason in the termination log", async (_name, model, reason) => {
    const program = serve(model);
    expect(await program.exit).toEqual({ code: 2, signal: null });
    const written = JSON.parse(await readFile(terminationLog, "utf8")) as object;
    expect(written).toMatchObject(reason);
    expect(program.lines.at(-1)).toMatchObject({ level: "fatal", reason: written });
  });

  test("no termination log: none is made", async () => {
    await rm(terminationLog);
    const program = serve("/nonexistent.onnx");
    expect(await program.exit).toEqual({ code: 2, signal: null });
    await expect(readFile(terminationLog)).rejects.toThrow("ENOENT");
    await writeFile(terminationLog, "");
  });

  test("an error that nobody caught: exit code 1, and the termination log says what it was", async () => {
    const fault = "data:text/javascript,setInterval(() => { throw new Error('unforeseen') }, 1000)";
    const argv = ["--model-name", "m", "--storage-uri", testModel("scalar"), "--termination-log", terminationLog];
    const program = startProcess([process.execPath, "--import", fault, MAIN, ...argv, "--http-port", "0"]);
    expect(await program.exit).toEqual({ code: 1, signal: null });
    const reason = JSON.parse(await readFile(terminationLog, "utf8")) as object;
    expect(reason).toEqual({ code: "INTERNAL", message: "unforeseen", phase: "run" });
  });

  test("wrong arguments: exit code 1 and a complaint on stderr", async () => {
    const program = startProgram("--model-name", "m", "--storage-uri", "x", "--http-port", "none");
    expect(await program.exit).toEqual({ code: 1, signal: null });
    expect(program.errors()).toContain("option '--http-port <port>' argument 'none' is invalid");
  });

  test.each([
    ["the port", "--http-port", "1"],
    ["the port for gRPC", "--grpc-port", "1"],
    ["the port, which several threads would share,", "--http-port", "2"],
    ["the port for gRPC, which several threads would share,", "--grpc-port", "2"],
  ])("%s is taken: exit code 1", async (_name, flag, threads) => {
    const isHttp = flag === "--http-port";
    const first = serve(testModel("scalar"), "--io-threads", threads);
    const port = String((await logged(first, "listening"))[isHttp ? "port" : "grpcPort"]);
    const second = startProgram(
      "--termination-log",
      terminationLog,
      "--model-name",
      "m",
      "--storage-uri",
      testModel("scalar"),
      flag,
      port,
      isHttp ? "--grpc-port" : "--http-port",
      "0",
      "--io-threads",
      threads,
    );
    expect(await second.exit).toEqual({ code: 1, signal: null });
    expect(second.lines.at(-1)).toMatchObject({ level: "fatal", err: { code: "EADDRINUSE" } });
    const message = expect.stringMatching(
      `^port ${port} cannot be had \\(${flag}\\): .*address already in use`,
    ) as unknown;
    expect(JSON.parse(await readFile(terminationLog, "utf8"))).toEqual({ code: "INTERNAL", message, phase: "start" });
  });
});
