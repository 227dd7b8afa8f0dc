export function minutes(legs: number) {
  return legs * 15;
}
