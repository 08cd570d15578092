// What probes and lifecycle hooks do to a container: an HTTP request, a connection, a gRPC health check, a command.

import { spawn } from "node:child_process";
import * as http from "node:http";
import * as https from "node:https";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Container, ExecAction, HTTPGetAction, Probe } from "kubernetes-types/core/v1.js";
import { shellWord, type Tools } from "./commands.ts";
import { checkGrpcHealth } from "./grpc-health.ts";

/** The running container that an action is about. */
export interface ActionTarget {
  readonly tools: Tools;
  readonly container: Container;
  readonly podAddress: string;
  /** Process 1 of the container. */
  readonly pid: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly processFiles: readonly string[];
}

/** The union of what probes and hooks can ask for. */
export type Action = Pick<Probe, "httpGet" | "tcpSocket" | "exec"> & {
  readonly grpc?: { readonly port: number; readonly service?: string };
  readonly sleep?: { readonly seconds: number };
};

export interface ActionResult {
  readonly success: boolean;
  /** Why it failed, for people. */
  readonly message: string;
}

const succeeded: ActionResult = { success: true, message: "" };
const maxMessageLength = 1024;

/** Never throws for what the container does: that is a failed result. The signal ends the action as failed. */
export async function runAction(action: Action, target: ActionTarget, signal: AbortSignal): Promise<ActionResult> {
  const { httpGet, tcpSocket, grpc, exec } = action;
  try {
    if (httpGet !== undefined) return await httpAction(httpGet, target, signal);
    if (grpc !== undefined) {
      await checkGrpcHealth({ host: target.podAddress, port: grpc.port, service: grpc.service ?? "", signal });
    } else if (tcpSocket !== undefined) {
      await connectTcp(tcpSocket.host ?? target.podAddress, portNumber(tcpSocket.port, target.container), signal);
    } else if (exec !== undefined) return await execAction(exec, target, signal);
    else if (action.sleep !== undefined) await sleep(action.sleep.seconds * 1000, undefined, { signal });
    return succeeded;
  } catch (error) {
    return { success: false, message: signal.aborted ? "context deadline exceeded" : (error as Error).message };
  }
}

/** @throws Error when no port of the container has the name. */
export function portNumber(port: number | string, container: Container): number {
  if (typeof port === "number") return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  if (named !== undefined) return named;
  if (/^\d+$/.test(port)) return Number(port);
  throw new Error(`container "${container.name}" has no port named "${port}"`);
}

function httpAction(action: HTTPGetAction, target: ActionTarget, signal: AbortSignal): Promise<ActionResult> {
  const secure = action.scheme === "HTTPS";
  const headers: http.OutgoingHttpHeaders = { "user-agent": "kube-probe/1.36", accept: "*/*" };
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  const options: https.RequestOptions = {
    host: action.host ?? target.podAddress,
    port: portNumber(action.port, target.container),
    path: action.path ?? "/",
    headers,
    signal,
    // A probe asks a new connection each time, as kubelets do: a server that accepts no more must fail it.
    agent: false,
    rejectUnauthorized: false,
  };
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).get(options, (response) => {
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 400) {
        response.destroy();
        resolve(succeeded);
        return;
      }
      response.setEncoding("utf8").once("data", (text: string) => {
        resolve({ success: false, message: cut(`HTTP probe failed with statuscode: ${status}: ${text}`) });
        response.destroy();
      });
      response.once("end", () => resolve({ success: false, message: `HTTP probe failed with statuscode: ${status}` }));
    });
    request.on("error", reject);
  });
}

function connectTcp(host: string, port: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host, port, signal });
  socket.on("connect", () => {
    socket.destroy();
    resolve();
  });
  socket.on("error", reject);
  return promise;
}

/** The command runs in all namespaces and the control group of the container. */
function execAction(action: ExecAction, target: ActionTarget, signal: AbortSignal): Promise<ActionResult> {
  const { tools, pid } = target;
  const enter = [tools.nsenter, `--target=${pid}`, "--mount", "--pid", "--net", "--root", "--wd", "--"].map(shellWord);
  const join = target.processFiles.map((file) => `echo 0 >${shellWord(file)}\n`);
  const child = spawn(
    tools.sh,
    ["-c", `${join.join("")}exec ${enter.join(" ")} "$@"`, "sh", ...(action.command ?? [])],
    {
      env: target.environment,
      stdio: ["ignore", "pipe", "pipe"],
      signal,
      killSignal: "SIGKILL",
    },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = cut(output + text);
    });
  }
  const { promise, resolve, reject } = Promise.withResolvers<ActionResult>();
  child.on("error", reject);
  child.on("close", (code) => {
    resolve(
      code === 0 ? succeeded : { success: false, message: `command failed with exit code ${code}: ${output.trim()}` },
    );
  });
  return promise;
}

function cut(text: string): string {
  return text.length > maxMessageLength ? text.slice(0, maxMessageLength) : text;
}
