export async function storeKills(_args: string[]): Promise<boolean> {
  return true;
}
