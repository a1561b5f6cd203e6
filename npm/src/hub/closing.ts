/** Why a stream is over for good. */
export interface Closing {
  reason: "finished" | "failed" | "reset";
  status?: number;
  message?: string;
}
