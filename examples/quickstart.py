"""In this folder: ``latchwork dev quickstart:app``; in another terminal the export line it prints, then this file."""

from latchwork import App

app = App()


@app.task(exclusive=["account:{account}"])
def deposit(account: str, amount: int) -> str:
    """Run one after another for one account, in parallel for two."""
    return f"{amount} to {account}"


if __name__ == "__main__":
    tasks = app.dispatch_many(deposit.call(account, 10) for account in ("ann", "bob", "ann"))
    for task in app.wait(tasks, timeout_s=30):
        print(task.state, task.result)
