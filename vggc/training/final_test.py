"""After the last epoch: the test, which is run once, the pictures, the summary and the report."""

from datetime import datetime
from typing import Any

from vggc.data.dataset import ImageSource
from vggc.training import html_report, plots
from vggc.training.evaluation import Evaluation, evaluate, module_forward
from vggc.training.history import History
from vggc.training.request import TrainingRequest
from vggc.training.run_folder import RunFolder
from vggc.training.scores import percent
from vggc.training.training_state import TrainingState
from vggc.weights.loading import load_weights


def finish(state: TrainingState, request: TrainingRequest, source: ImageSource, folder: RunFolder) -> None:
    """Test the best weights, and write the files that the user looks at; to be called by the first process."""
    history, output, images = state.history, state.output, source.images("test")
    # On the device that the weights were trained on, in 32 bits.
    forward = module_forward(load_weights(request.network, folder.weights)[0], state.fabric.device)
    evaluation = evaluate(request.network, forward, images, state.fabric.device, output.progress)
    for warning in state.early_warnings.after_test(evaluation.scores):
        state.warn(warning)
    summary = _summary(state, request, source, folder, evaluation)
    output.progress("drawing", 0, 1)
    plots.draw_all(folder, history, state.early_warnings.chance, evaluation, images)
    folder.write_json("test.json", evaluation.scores.to_json())
    folder.write_json("summary.json", summary)
    folder.write(folder.report.name, html_report.page(folder, request.network, summary, history, evaluation.scores))
    output.say(_result(history, evaluation))
    for line in ("", "next:", *(f"  {command}" for command in html_report.commands(folder, request.network.stem))):
        output.say(line)


def _summary(
    state: TrainingState, request: TrainingRequest, source: ImageSource, folder: RunFolder, evaluation: Evaluation
) -> dict[str, Any]:
    """The contents of `summary.json`."""
    history, recipe, scores = state.history, request.recipe, evaluation.scores
    best = history.best
    assert best is not None
    return {
        "name": request.network.name,
        "status": "complete" if len(history.epochs) >= recipe.epochs else "stopped early",
        "finished": datetime.now().isoformat(timespec="seconds"),
        "data": source.words,
        "params": request.network.params,
        "seed": recipe.seed,
        "planned_epochs": recipe.epochs,
        "epochs": len(history.epochs),
        "best_epoch": best.epoch,
        "chosen_by": "validation accuracy" if best.validation_accuracy is not None else "being the last",
        "best_validation_accuracy": best.validation_accuracy,
        "last_validation_accuracy": history.epochs[-1].validation_accuracy,
        "last_training_loss": history.epochs[-1].train_loss,
        "test_accuracy": scores.accuracy,
        "test_loss": scores.loss,
        "test_images": scores.images,
        "test_used": folder.summary().get("test_used", 0) + 1,
        "seconds": history.seconds,
        "images_per_second": history.speed,
        "device": str(state.fabric.device),
        "precision": recipe.precision,
        "deterministic": request.devices.deterministic,
        "warnings": list(history.warnings),
    }


def _result(history: History, evaluation: Evaluation) -> str:
    best, scores = history.best, evaluation.scores
    assert best is not None
    chosen = ""
    if best.validation_accuracy is not None:
        chosen = f", the best by validation ({percent(best.validation_accuracy)})"
    result = f"{percent(scores.accuracy)} of {scores.images:,} images, loss {scores.loss:.4f}"
    return f"test: {result}, with the weights of epoch {best.epoch}{chosen}"
