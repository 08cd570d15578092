#!/usr/bin/env node
// The program: command line, signals, termination log and exit codes; nothing else touches the process.

import { CommanderError } from "commander";

import { type Config, parseConfig } from "./config.ts";
import { lastMomentMs } from "./grace-period.ts";
import { LoadError } from "./load-error.ts";
import { createLog, type Log } from "./log.ts";
import { type RunningServer, startServer } from "./server.ts";
import { resolveWithSystem } from "./storage/guarded-agent.ts";
import { type TerminationReason, writeTerminationLog } from "./termination-log.ts";
import { thisMachine } from "./this-machine.ts";

/** Wrong arguments, or the port cannot be had. */
const EXIT_START = 1;
/** The model could not be loaded: the termination log says why. */
const EXIT_LOAD = 2;

function readConfig(): Config {
  try {
    return parseConfig(process.argv.slice(2), (text) => process.stderr.write(text));
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exit(error.exitCode);
    }
    throw error;
  }
}

/**
 * For ends that cannot wait: during a run only SIGKILL ends the process without noise (process.exit aborts it).
 * The first process of a container is spared even that when it comes from within, so it aborts after all.
 */
function die(config: Config, log: Log, reason: TerminationReason): void {
  log.fatal({ reason }, "ending at once");
  writeTerminationLog(config.terminationLog, reason);
  process.kill(process.pid, "SIGKILL");
  process.abort();
}

/** Leaves the message of an error that nobody foresaw for Kubernetes; its stack is in the log. */
function reportUnforeseen(config: Config, error: unknown, phase: string): void {
  const message = error instanceof Error ? error.message : String(error);
  writeTerminationLog(config.terminationLog, { code: "INTERNAL", message, phase });
}

interface Running {
  readonly server: RunningServer;
  readonly config: Config;
  readonly log: Log;
}

/** The first signal that asks for an end. */
async function firstSignal(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  process.on("SIGTERM", resolve).on("SIGINT", resolve);
  return promise;
}

async function stop(signal: string, { server, config, log }: Running): Promise<never> {
  log.info({ signal, drainDelaySeconds: config.drainDelaySeconds }, "stopping");
  process.on("SIGTERM", server.skipDrainDelay).on("SIGINT", server.skipDrainDelay);
  const graceMs = lastMomentMs(config);
  setTimeout(() => {
    const message = `requests were still in progress ${graceMs / 1000} s after ${signal}`;
    die(config, log, { code: "GRACE_PERIOD_EXCEEDED", message, phase: "stop" });
  }, graceMs);
  await server.stop();
  log.info({}, "stopped");
  process.exit(0);
}

async function watchLoad({ server, config, log }: Running): Promise<void> {
  try {
    await server.loaded;
    log.info({ seconds: performance.now() / 1000 }, "ready");
  } catch (error) {
    if (error instanceof Error && error.name === "AbortError") {
      // Told to stop before the model was there: stop() ends the program.
      return;
    }
    if (!(error instanceof LoadError)) {
      throw error;
    }
    const { code, message, phase } = error;
    log.fatal({ reason: { code, message, phase } }, "the model could not be loaded");
    writeTerminationLog(config.terminationLog, { code, message, phase });
    await server.stop();
    process.exit(EXIT_LOAD);
  }
}

async function main(): Promise<void> {
  // onnxruntime's packages report to their makers unless told otherwise, and keep an identifier on disk for that.
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
  const signalled = firstSignal();
  const machine = thisMachine();
  const config = readConfig();
  const log = createLog(config.logLevel);
  process.on("uncaughtExceptionMonitor", (err) => {
    log.fatal({ err }, "ending for an error that nobody caught");
    reportUnforeseen(config, err, "run");
  });
  const { workers = 1, threadsPerWorker = 1 } = config;
  if (workers * threadsPerWorker > machine.usableThreads) {
    log.warn(
      { workers, threadsPerWorker, usable: machine.usableThreads },
      "more threads than CPUs: runs will wait for each other",
    );
  }
  try {
    const server = await startServer(config, {
      log,
      machine,
      clock: () => performance.now(),
      wallClock: Date.now,
      random: Math.random,
      environment: process.env,
      resolveHost: resolveWithSystem,
      onStuckRun: () => {
        const message = `a run took longer than ${config.runTimeoutSeconds} s (--run-timeout-seconds)`;
        die(config, log, { code: "RUN_STUCK", message, phase: "run" });
      },
    });
    const running = { server, config, log };
    await Promise.all([signalled.then((signal) => stop(signal, running)), watchLoad(running)]);
  } catch (err) {
    log.fatal({ err }, "the server failed");
    reportUnforeseen(config, err, "start");
    process.exit(EXIT_START);
  }
}

await main();
