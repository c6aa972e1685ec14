"""Training and evaluation, by the recipe in a spec.

engine             `train`: a whole run, from top to bottom
request            what a run is asked to do; `Start = New | Resumed`
resume             which runs can be resumed, and how
devices            devices, determinism, versions of packages
processes          the processes of a run: how they start and end
failures           what happens when a run is interrupted or fails
run_folder         the files of a run
splits             which images are held out for validation
lightning_module   the LightningModule around a compiled network
optimization       optimizer, schedule and warm-up
training_state     everything that a step needs and changes
loop               what happens in an epoch
run_output         what a run prints
history            what was measured, step by step and epoch by epoch
early_warnings     what is wrong with a run that will not succeed
checkpoints        last and best, moved into place
metrics_files      tables, and the events that TensorBoard reads
scores             accuracy, per-class table and confusion matrix from predictions
evaluation         predictions of a run, of weights, or of an ONNX file
final_test         after the last epoch: test, pictures, summary, report
plots              curves, confusion matrix and examples as pictures
html_report        all of it on one page

Nothing here is imported by the compiler; lightning, torchmetrics and matplotlib are asked for by `vggc.base.extras`.
"""
