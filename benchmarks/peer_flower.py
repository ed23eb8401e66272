"""Federated averaging in Flower's simulation, all institutions in every round; run by peers.py in its environment."""

from __future__ import annotations

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from peer import BATCH, INSTITUTIONS, LR, ROUNDS, examples, gate, model

client, server = ClientApp(), ServerApp()


@client.train()
def train(message: Message, context: Context) -> Message:
    """An epoch at one institution."""
    torch.set_num_threads(1)
    module, (x, y) = model(), examples(context.node_config["partition-id"])
    module.load_state_dict(message.content["arrays"].to_torch_state_dict())
    optimizer, order = torch.optim.SGD(module.parameters(), lr=LR), torch.randperm(len(y))
    for index in order.split(BATCH):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(x[index]), y[index]).backward()
        optimizer.step()
    content = {"arrays": ArrayRecord(module.state_dict()), "metrics": MetricRecord({"num-examples": len(y)})}
    return Message(RecordDict(content), reply_to=message)


@server.main()
def main(grid: Grid, context: Context) -> None:
    """As many rounds as are timed; the server tries the model before the first and after each, which is the gate."""
    strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=INSTITUTIONS)
    strategy.start(grid, ArrayRecord(model().state_dict()), ROUNDS, evaluate_fn=lambda round, arrays: gate())


if __name__ == "__main__":
    resources = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}}
    run_simulation(server, client, num_supernodes=INSTITUTIONS, backend_config=resources)
