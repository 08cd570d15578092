// Does something for each of many numbers, a few at a time.

/** Calls `act` with 0, 1, ... `count - 1`, never more than `atATime` together. Rejects with the first failure. */
export async function inParallel(
  count: number,
  atATime: number,
  act: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const work = async () => {
    while (next < count) {
      next += 1;
      await act(next - 1);
    }
  };
  await Promise.all(Array.from({ length: atATime }, work));
}
