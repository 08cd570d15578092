// The CPU limit as the kernel shows it: cgroup v1, v2, both, nested groups and mounts of a part of the hierarchy.

import { describe, expect, test } from "vitest";

import { readCpuLimit, readMemoryLimit, readThrottledPeriods, usableThreads } from "./cgroup-limits.ts";

const V2_MOUNT = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup rw";
const V1_MOUNT = "31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct";
const V1_MEMORY_MOUNT = "32 23 0:28 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory";

const CASES: Record<string, { files: Record<string, string>; limit: number | undefined }> = {
  "no cgroups at all": { files: {}, limit: undefined },
  "v2 with a quota": {
    files: {
      "/proc/self/cgroup": "0::/pod/server\n",
      "/proc/self/mountinfo": V2_MOUNT,
      "/sys/fs/cgroup/pod/server/cpu.max": "20000 100000\n",
    },
    limit: 0.2,
  },
  "v2 without a quota": {
    files: {
      "/proc/self/cgroup": "0::/pod\n",
      "/proc/self/mountinfo": V2_MOUNT,
      "/sys/fs/cgroup/pod/cpu.max": "max 100000\n",
    },
    limit: undefined,
  },
  "v2 with a lower quota above": {
    files: {
      "/proc/self/cgroup": "0::/pod/server\n",
      "/proc/self/mountinfo": V2_MOUNT,
      "/sys/fs/cgroup/pod/server/cpu.max": "400000 100000",
      "/sys/fs/cgroup/pod/cpu.max": "150000 100000",
    },
    limit: 1.5,
  },
  "v2 in its own namespace: the mount is the group": {
    files: {
      "/proc/self/cgroup": "0::/\n",
      "/proc/self/mountinfo": V2_MOUNT,
      "/sys/fs/cgroup/cpu.max": "50000 100000",
    },
    limit: 0.5,
  },
  "v1 with a quota": {
    files: {
      "/proc/self/cgroup": "3:cpu,cpuacct:/pod/server\n2:memory:/other\n",
      "/proc/self/mountinfo": `${V1_MEMORY_MOUNT}\n${V1_MOUNT}`,
      "/sys/fs/cgroup/cpu,cpuacct/pod/server/cpu.cfs_quota_us": "25000\n",
      "/sys/fs/cgroup/cpu,cpuacct/pod/server/cpu.cfs_period_us": "100000\n",
    },
    limit: 0.25,
  },
  "v1 without a quota": {
    files: {
      "/proc/self/cgroup": "3:cpu,cpuacct:/pod\n",
      "/proc/self/mountinfo": V1_MOUNT,
      "/sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us": "100000\n",
    },
    limit: undefined,
  },
  "v1 where only the pod's part is mounted": {
    files: {
      "/proc/self/cgroup": "3:cpu:/kubepods/pod7/server\n",
      "/proc/self/mountinfo": "31 23 0:27 /kubepods/pod7/server /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    },
    limit: 2,
  },
  "a group outside the mounted part": {
    files: {
      "/proc/self/cgroup": "3:cpu:/elsewhere\n",
      "/proc/self/mountinfo": "31 23 0:27 /kubepods /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    },
    limit: 3,
  },
  "v1 and v2 side by side": {
    files: {
      "/proc/self/cgroup": "3:cpu,cpuacct:/pod\n0::/pod\n",
      "/proc/self/mountinfo": `${V2_MOUNT.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")}\n${V1_MOUNT}`,
      "/sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_quota_us": "100000",
      "/sys/fs/cgroup/cpu,cpuacct/pod/cpu.cfs_period_us": "100000",
    },
    limit: 1,
  },
};

test.each(Object.entries(CASES))("%s", (_name, { files, limit }) => {
  expect(readCpuLimit((file) => files[file])).toBe(limit);
});

describe("memory", () => {
  const MEMORY: Record<string, { files: Record<string, string>; limit: number | undefined }> = {
    "no cgroups at all": { files: {}, limit: undefined },
    "v2 with a limit, and a lower one above": {
      files: {
        "/proc/self/cgroup": "0::/pod/server\n",
        "/proc/self/mountinfo": V2_MOUNT,
        "/sys/fs/cgroup/pod/server/memory.max": "536870912\n",
        "/sys/fs/cgroup/pod/memory.max": "268435456\n",
      },
      limit: 268_435_456,
    },
    "v2 without a limit": {
      files: {
        "/proc/self/cgroup": "0::/pod\n",
        "/proc/self/mountinfo": V2_MOUNT,
        "/sys/fs/cgroup/pod/memory.max": "max\n",
      },
      limit: undefined,
    },
    "v1 with a limit; its root has the largest number, which is none": {
      files: {
        "/proc/self/cgroup": "3:cpu,cpuacct:/other\n2:memory:/pod\n",
        "/proc/self/mountinfo": `${V1_MOUNT}\n${V1_MEMORY_MOUNT}`,
        "/sys/fs/cgroup/memory/pod/memory.limit_in_bytes": "1073741824\n",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      },
      limit: 1_073_741_824,
    },
    "an empty file is no limit of 0": {
      files: {
        "/proc/self/cgroup": "0::/pod\n",
        "/proc/self/mountinfo": V2_MOUNT,
        "/sys/fs/cgroup/pod/memory.max": "",
      },
      limit: undefined,
    },
  };
  test.each(Object.entries(MEMORY))("%s", (_name, { files, limit }) => {
    expect(readMemoryLimit((file) => files[file])).toBe(limit);
  });
});

describe("periods in which the CPU limit stopped threads", () => {
  const V2 = { "/proc/self/cgroup": "0::/pod\n", "/proc/self/mountinfo": V2_MOUNT };
  test.each<[string, Record<string, string>, number | undefined]>([
    ["as counted", { ...V2, "/sys/fs/cgroup/pod/cpu.stat": "nr_periods 9\nnr_throttled 4\nthrottled_usec 7\n" }, 4],
    ["not told", { ...V2, "/sys/fs/cgroup/pod/cpu.stat": "usage_usec 9\n" }, undefined],
    ["no cgroups", {}, undefined],
  ])("%s", (_name, files, expected) => {
    expect(readThrottledPeriods((file) => files[file])).toBe(expected);
  });
});

test("this machine's own files can be read", () => {
  for (const limit of [readCpuLimit(), readMemoryLimit()]) {
    expect(limit === undefined || limit > 0).toBe(true);
  }
  const periods = readThrottledPeriods();
  expect(periods === undefined || periods >= 0).toBe(true);
});

describe("usable threads", () => {
  test.each([
    ["no limit: the machine's", undefined, 8, 8],
    ["a fraction of a CPU still takes one", 0.2, 8, 1],
    ["whole CPUs only", 2.9, 8, 2],
    ["a limit above the machine", 16, 4, 4],
  ])("%s", (_name, limit, machine, expected) => {
    expect(usableThreads(limit, machine)).toBe(expected);
  });
});
