// `make bench-server`: measures the inference server from outside, beside the bare runtime and its peers, in one run.

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ToolError } from "../../cluster/tool.ts";
import { PythonError, pythonEnvironment } from "../../python/environment.ts";
import { Bench, type BenchParts } from "./bench.ts";
import { allowedList, firstTwoCores } from "./cores.ts";
import { Figures } from "./figures.ts";
import { ensureGenerators, GeneratorError } from "./load/generators.ts";
import { H2load } from "./load/h2load.ts";
import { Wrk } from "./load/wrk.ts";
import { OptionError, readOptions } from "./options.ts";
import { ProcessGroup } from "./process-group.ts";
import { failureList, resultsJson, table } from "./report.ts";
import { scenarios } from "./scenarios/all.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const requirements = fileURLToPath(new URL("peers/requirements.txt", import.meta.url));
const startedAt = performance.now();
const interrupted = new AbortController();

function log(line: string): void {
  process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
}

async function runScenarios(parts: Omit<BenchParts, "group">, group: ProcessGroup): Promise<void> {
  const { only } = parts.options;
  for (const { name, title, run } of scenarios.filter((each) => only.length === 0 || only.includes(each.name))) {
    log(`== ${name}: ${title}`);
    try {
      await run(new Bench({ ...parts, group }));
    } catch (error) {
      interrupted.signal.throwIfAborted();
      parts.figures.fail(name, error);
      log(`FAILED  ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      await group.stopAll();
    }
  }
}

async function writeResults({ values }: Figures): Promise<string> {
  const folder = join(root, "bench-results");
  await mkdir(folder, { recursive: true });
  const file = join(folder, "server.json");
  await writeFile(file, resultsJson(values));
  return file;
}

/** @returns whether all was measured; figures that miss their target are measured as well */
async function main(folder: string, group: ProcessGroup): Promise<boolean> {
  const names = scenarios.map(({ name }) => name);
  const options = readOptions(process.env, names, [process.execPath, join(root, "server-image", "main.ts")]);
  const cores = firstTwoCores(allowedList(await readFile("/proc/self/status", "utf8")));
  await ensureGenerators(log);
  const figures = new Figures();
  const parts = {
    options,
    cores,
    folder,
    wrk: new Wrk(folder),
    h2load: new H2load(folder),
    python: () => pythonEnvironment(requirements, { log }),
    environment: process.env,
    figures,
    log,
  };
  log(`cores ${cores.join(" and ")}, ${options.repeats} repeats; server: ${options.serverCommand.join(" ")}`);
  await runScenarios(parts, group);
  const file = await writeResults(figures);
  process.stdout.write(`\n${table(figures.values)}\n${failureList(figures.failures)}\n`);
  log(`written to ${file}`);
  return figures.failures.length === 0;
}

const folder = await mkdtemp(join(tmpdir(), "plimsoll-bench-"));
const group = new ProcessGroup();
process.once("exit", () => group.killAll());
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    interrupted.abort(new Error(`stopped by ${signal}; nothing was written`));
    void group
      .stopAll()
      .then(() => rm(folder, { recursive: true, force: true }))
      .then(() => process.exit(130));
  });
}
try {
  process.exitCode = (await main(folder, group)) ? 0 : 1;
} catch (error) {
  const forPeople = [OptionError, GeneratorError, PythonError, ToolError, RangeError].some(
    (kind) => error instanceof kind,
  );
  process.stderr.write(`${error instanceof Error ? (forPeople ? error.message : error.stack) : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
