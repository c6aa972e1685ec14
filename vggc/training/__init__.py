"""Training and evaluation, by the recipe in a spec.

engine          `train`: the whole way, top to bottom
request         what the command line asks for
machine         devices, determinism, versions: where a run happens
launching       processes that find each other
run_folder      the files that a run leaves
splits          which images are held out, and what that leaves unseen
classifier      the LightningModule around a compiled network
optimization    optimizer, schedule and warm-up
learner         a network that learns, in the state between two steps
loop            epochs
talk            what a run says
history         what was measured, step by step and epoch by epoch
watch           early warnings
checkpoints     last and best, moved into place
recording       tables, and the events that TensorBoard reads
interruptions   what happens when a run does not come to its end
scores          accuracy, per-class table and confusion matrix from predictions
evaluation      `evaluate`: predictions of a run, of weights, or of an ONNX file
finishing       behind the last epoch: test, pictures, summary, report
figures         curves, confusion matrix and examples as pictures
report          all of it on one page

Nothing here is imported by the compiler; lightning, torchmetrics and matplotlib are asked for by `vggc.base.extras`.
"""
