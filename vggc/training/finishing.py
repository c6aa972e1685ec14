"""Behind the last epoch: the test, which is used once, the pictures, the summary and the report."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from vggc.data import Source
from vggc.data.dataset import Images
from vggc.training.evaluation import Evaluation, evaluate, module_forward
from vggc.training.history import History
from vggc.training.request import Request
from vggc.training.run_folder import RunFolder
from vggc.training.scores import percent
from vggc.weights.loading import load_weights

if TYPE_CHECKING:
    from vggc.training.learner import Learner


def finish(learner: "Learner", request: Request, source: Source, folder: RunFolder) -> None:
    """Test the best weights, and write what a person looks at; to be called by the first process."""
    from vggc.training import html_report, plots

    history, talk = learner.history, learner.talk
    images = source.images("test")
    evaluation = test(request, folder, images, learner)
    for warning in learner.watch.test(evaluation.scores):
        learner.warn(warning)
    summary = summarize(request, source, history, evaluation, str(learner.fabric.device), folder)
    talk.progress("drawing", 0, 1)
    plots.draw_all(folder, history, learner.watch.chance, evaluation, images)
    folder.write_json("test.json", evaluation.scores.to_json())
    folder.write_json("summary.json", summary)
    folder.write(folder.report.name, html_report.page(folder, request.network, summary, history, evaluation.scores))
    talk.say(_result(history, evaluation))
    for line in ("", "next:", *(f"  {command}" for command in html_report.commands(folder, request.network.stem))):
        talk.say(line)


def test(request: Request, folder: RunFolder, images: Images, learner: "Learner") -> Evaluation:
    """The best weights on the test images, on the device that they were trained on, in 32 bits."""
    device = learner.fabric.device
    module, _ = load_weights(request.network, folder.weights)
    return evaluate(
        request.network, module_forward(module, device), images, device=device, progress=learner.talk.progress
    )


def summarize(
    request: Request, source: Source, history: History, evaluation: Evaluation, device: str, folder: RunFolder
) -> dict[str, Any]:
    """The run as data."""
    best, recipe = history.best, request.recipe
    assert best is not None
    scores = evaluation.scores
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
        "images_per_second": sum(each.speed * each.seconds for each in history.epochs)
        / sum(each.seconds for each in history.epochs),
        "device": device,
        "precision": recipe.precision,
        "deterministic": request.machine.deterministic,
        "warnings": list(history.warnings),
    }


def _result(history: History, evaluation: Evaluation) -> str:
    best, scores = history.best, evaluation.scores
    assert best is not None
    chosen = f"of epoch {best.epoch}"
    if best.validation_accuracy is not None:
        chosen += f", the best by validation ({percent(best.validation_accuracy)})"
    result = f"{percent(scores.accuracy)} of {scores.images:,} images, loss {scores.loss:.4f}"
    return f"test: {result}, with the weights {chosen}"
