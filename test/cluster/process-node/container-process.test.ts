// Tests of container processes in real namespaces; making those takes root, and a machine that lets root make them.

import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findTools } from "./commands.ts";
import { ContainerLog } from "./container-log.ts";
import { type ContainerProcess, startContainerProcess } from "./container-process.ts";
import { ControlGroups } from "./control-groups.ts";
import { machine, makeRootDirectory } from "./machine.ts";
import { type Mount, planRootDirectory } from "./root-directory.ts";

const namespacesAllowed = spawnSync("unshare", ["--mount", "--pid", "--fork", "true"]).status === 0;

describe.runIf(namespacesAllowed)("container process", () => {
  let folder: string;
  let log: ContainerLog;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "container-"));
    log = new ContainerLog(join(folder, "log"), () => new Date());
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function start(
    script: string,
    mounts: Mount[] = [],
    processFiles: readonly string[] = [],
  ): Promise<ContainerProcess> {
    const root = await mkdtemp(join(folder, "root-"));
    const steps = planRootDirectory(root, mounts, machine);
    await makeRootDirectory(root, steps);
    return startContainerProcess({
      tools: findTools(process.env["PATH"] ?? ""),
      root,
      steps,
      workingDirectory: "/",
      processFiles,
      argv: ["/bin/sh", "-c", script],
      environment: { PATH: "/usr/bin:/bin", NAME: "resnet" },
      networkNamespace: undefined,
      log,
    });
  }

  /** Exit code and output of a container that runs to its end. */
  async function run(script: string, mounts?: Mount[]): Promise<{ code: number; output: string[] }> {
    const code = await (await start(script, mounts)).exited;
    await log.close();
    return { code, output: await log.lastLines(100) };
  }

  test("is process 1, sees its environment, and both of its outputs are logged", async () => {
    const { code, output } = await run('echo "$$ $NAME"; pwd; echo problem >&2; exit 7');
    expect(code).toBe(7);
    expect(output.toSorted()).toEqual(["/", "1 resnet", "problem"]);
  });

  test("writes to /tmp and new top-level directories stay its own", async () => {
    const { output } = await run(
      "echo mine >/tmp/plimsoll-container-test && mkdir /plimsoll-container-test && ls /tmp",
    );
    expect(output).toEqual(["plimsoll-container-test"]);
    expect(machine.kind("/tmp/plimsoll-container-test")).toBe("missing");
    expect(machine.kind("/plimsoll-container-test")).toBe("missing");
  });

  test("sees its mounts, and cannot write to those that are read-only", async () => {
    const source = join(folder, "volume");
    await mkdir(source);
    await writeFile(join(source, "model"), "weights\n");
    const mount: Mount = { source, target: "/mnt/pvc/models", readOnly: true, type: "directory" };
    const { code, output } = await run("cat /mnt/pvc/models/model; touch /mnt/pvc/models/new", [mount]);
    expect(code).toBe(1);
    expect(output).toEqual(["weights", expect.stringContaining("Read-only file system")]);
  });

  test("process 1 cannot kill itself: the kernel protects it within its namespace, as in any container", async () => {
    const { code, output } = await run("kill -KILL $$; echo on");
    expect([code, output]).toEqual([0, ["on"]]);
  });

  test("killing it from outside gives 137, ends its children, and adds nothing to the log", async () => {
    const container = await start("sleep 1000 & sleep 1001");
    container.kill();
    expect(await container.exited).toBe(137);
    await log.close();
    expect(await log.lastLines(10)).toEqual([]);
  });

  test("SIGTERM reaches a handler, and is ignored by process 1 without one", async () => {
    const polite = await start("trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done");
    await expect.poll(() => log.lastLines(1)).toEqual(["ready"]);
    polite.terminate();
    expect(await polite.exited).toBe(3);
    const deaf = await start("sleep 0.3; exit 4");
    deaf.terminate();
    expect(await deaf.exited).toBe(4);
  });

  test("a program that does not exist is said in the log", async () => {
    const { code, output } = await run("exec /no/such/program");
    expect([code, output.length]).toEqual([127, 1]);
  });

  test("a set-up that fails is an error with its reason", async () => {
    const mount: Mount = { source: "/no/such/source", target: "/x", readOnly: false, type: "directory" };
    await expect(start("true", [mount])).rejects.toThrow(/could not be set up: .*\/no\/such\/source/);
  });

  test("a control group's limits hold for it and are gone with it", async ({ skip }) => {
    const parent = `plimsoll-unit-test-${process.pid}`;
    const groups = await ControlGroups.open(parent);
    if (groups.problems.length > 0) skip(groups.problems.join("; "));
    const group = await groups.create("c.0", { limits: { cpu: "200m", memory: "64Mi" } });
    const container = await start(
      "read -r line </proc/self/cgroup; grep -o 'plimsoll.*' /proc/self/cgroup; tail /dev/zero",
      [],
      group.processFiles,
    );
    const [processFile = ""] = group.processFiles;
    expect(await container.exited).toBe(137);
    await log.close();
    expect(await log.lastLines(10)).toContain(`${parent}/c.0`);
    expect(await group.countMemoryKills()).toBeGreaterThan(0);
    expect(await readFile(processFile, "utf8")).toBe("");
    await group.remove();
    await groups.close();
    expect(machine.kind(processFile)).toBe("missing");
  });
});
