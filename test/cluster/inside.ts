// The first program inside a cluster's namespaces: makes the network, starts the components, carries the cluster's TCP, and ends with its starter.

import { mkdir, readFile, rm } from "node:fs/promises";
import type { Server } from "node:net";
import { join } from "node:path";
import { createLogger } from "../../operator/observability/logger.ts";
import { hostAddress } from "./addresses.ts";
import { clientFor } from "./api-access.ts";
import { Gates, listen } from "./gates.ts";
import type { InsideConfig, InsideMessage, InsideRequest } from "./inside-protocol.ts";
import { setUpNetwork } from "./network.ts";
import { removeControlGroups } from "./process-node/control-groups.ts";
import { serveScrapeTargets } from "./scrape-target-server.ts";
import { runServiceProxy } from "./service-proxy.ts";
import { Supervisor } from "./supervisor.ts";
import { runTool } from "./tool.ts";

const processNodeGraceMs = 3000;
const graceMs = 500;

function send(message: InsideMessage, handle?: Server): void {
  // The listening socket lives on in the starter; this process would otherwise accept connections for it too.
  if (process.connected) process.send?.(message, handle, {}, () => handle?.close());
}

async function answer(request: InsideRequest, handle: Server | undefined, world: World): Promise<Server | undefined> {
  const { supervisor, gates } = world;
  switch (request.method) {
    case "forward":
      if (handle === undefined) throw new TypeError("forward needs a listening server");
      gates.lead(request.id, handle, request);
      return undefined;
    case "reverse":
      return listen(hostAddress, request.port);
    case "close":
      gates.close(request.gate);
      return undefined;
    case "start-component":
      await supervisor.start(request.name);
      return undefined;
    case "stop-component":
      await supervisor.stop(request.name);
      return undefined;
  }
}

interface World {
  readonly supervisor: Supervisor;
  readonly gates: Gates;
  readonly shutDown: () => Promise<void>;
}

/** Pods first, so that their control groups are empty and gone; the rest dies with this process in any case. */
async function shutDown(config: InsideConfig, supervisor: Supervisor): Promise<void> {
  await supervisor.stop("process-node", processNodeGraceMs);
  await supervisor.stopAll(graceMs);
  await removeControlGroups(config.cgroupParent);
}

function listenToStarter(config: InsideConfig, world: World): void {
  process.on("message", (request: InsideRequest, handle: Server | undefined) => {
    answer(request, handle, world).then(
      (server) => send({ type: "answer", id: request.id }, server),
      (error: Error) => send({ type: "answer", id: request.id, error: error.message }),
    );
  });
  const endWithStarter = (): void => void end(config, world);
  if (process.connected) process.once("disconnect", endWithStarter);
  else endWithStarter();
}

/** The end of this process ends the namespaces and everything in them; what fails before that is left to the next start. */
async function end(config: InsideConfig, world: World): Promise<void> {
  try {
    await world.shutDown();
    // A mount point cannot be removed, not even by the namespace that made it.
    await runTool("umount", ["--lazy", config.dataDirectory]);
    await rm(config.directory, { recursive: true, force: true });
  } catch (error) {
    console.error(error);
  }
  process.exit(0);
}

async function main(configFile: string): Promise<void> {
  const config = JSON.parse(await readFile(configFile, "utf8")) as InsideConfig;
  const supervisor = new Supervisor({
    steps: config.components,
    logDirectory: config.logDirectory,
    onReady: (component, seconds) => send({ type: "component-ready", component, seconds }),
    onUnexpectedExit: (component, error) => send({ type: "failed", component, message: error.message }),
  });
  listenToStarter(config, { supervisor, gates: new Gates(), shutDown: () => shutDown(config, supervisor) });
  await setUpNetwork();
  await runTool("mount", ["-t", "tmpfs", "-o", "mode=0755", "plimsoll", config.dataDirectory]);
  for (const folder of config.dataFolders) await mkdir(join(config.dataDirectory, folder), { mode: 0o700 });
  await supervisor.startAll();
  const client = clientFor(config.kubernetes, "plimsoll-cluster");
  const logger = createLogger("info");
  // They end with this process.
  const { signal } = new AbortController();
  await Promise.all([runServiceProxy(client, logger, signal), serveScrapeTargets(client, logger, signal)]);
  send({ type: "ready" });
}

try {
  await main(process.argv[2] ?? "");
} catch (error) {
  send({ type: "failed", message: (error as Error).message });
}
