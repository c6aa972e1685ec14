"""Training and evaluation, by the recipe in a spec.

engine          `train`: the whole way, top to bottom
request         what the command line asks for
machine         devices, determinism, versions: where a run happens
run_folder      the files that a run leaves
classifier      the LightningModule around a compiled network
optimization    optimizer, schedule and warm-up
loop            epochs
history         what was measured, step by step and epoch by epoch
watch           early warnings
checkpoints     last and best, moved into place
scores          accuracy, per-class table and confusion matrix from predictions
evaluation      `evaluate`: predictions of a run, of weights, or of an ONNX file
figures         curves, confusion matrix and examples as pictures
report          all of it on one page

Nothing here is imported by the compiler; lightning, torchmetrics and matplotlib are asked for by `vggc.extras`.
"""
