/** Why a stream has ended permanently. */
export interface Closing {
  reason: "finished" | "failed" | "reset";
  status?: number;
  message?: string;
}
