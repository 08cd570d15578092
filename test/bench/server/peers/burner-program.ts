// Takes a share of one core, in small pieces as a load generator does, and does nothing with it.
//
//   node burner-program.ts SHARE        (of one core, 0 to 1)
//
// Prints one line when it has begun; runs until it is told to stop.

const share = Number(process.argv[2]);
const startedAt = performance.now();
const cpuAtStart = process.cpuUsage();

/** By the CPU time it really got: on busy cores a piece takes longer than its CPU time. */
function usedMs(): number {
  const { user, system } = process.cpuUsage(cpuAtStart);
  return (user + system) / 1000;
}

setInterval(() => {
  // Less than a piece of a second is made up for; a long wait is not.
  const owedMs = Math.min(5, share * (performance.now() - startedAt) - usedMs());
  const until = usedMs() + owedMs;
  while (usedMs() < until) {
    // The work is the loop itself.
  }
}, 1);
process.stdout.write("burning\n");
