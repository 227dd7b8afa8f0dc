export function greet(name: string) {
  return `Woof, ${name}`;
}
