# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Computes on a GPU, fills its memory, and spoils it."""

import os
import time
from typing import Any

import torch
from webargs import fields

import deepaas
from tests.integration.signals import of_the_test

signals = of_the_test()
GIB = 1024**3


def get_predict_args() -> dict[str, Any]:
    return {"how": fields.Str(load_default="")}


def get_train_args() -> dict[str, Any]:
    return {"how": fields.Str(load_default="")}


def predict(how: str) -> Any:
    signals.note("predicts")
    match how:
        case "tensor":
            return {"values": torch.arange(3, device="cuda"), "pid": os.getpid()}
        case "large tensor":
            return torch.ones((1000, 1000), device="cuda")
        case "half":
            return torch.full((2,), 0.5, dtype=torch.bfloat16, device="cuda", requires_grad=True)
        case "asserts":
            index = torch.tensor([10**6], device="cuda")
            return torch.zeros(1, device="cuda")[index].tolist()
        case "exhausts":
            return torch.empty(1024 * GIB, dtype=torch.uint8, device="cuda").shape
        case "holds":
            held = torch.ones(4 * GIB, dtype=torch.uint8, device="cuda")
            torch.cuda.synchronize()
            signals.note("holds")
            time.sleep(3600)
            return held.shape
    return {
        "pid": os.getpid(),
        "gpus": torch.cuda.device_count(),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def train(how: str) -> Any:
    match how:
        case "exhausts":
            return torch.empty(1024 * GIB, dtype=torch.uint8, device="cuda").shape
        case "holds":
            held = torch.ones(4 * GIB, dtype=torch.uint8, device="cuda")
            torch.cuda.synchronize()
            deepaas.progress(1, 2)
            time.sleep(3600)
            return held.shape
    left = torch.ones((2048, 2048), device="cuda")
    return float((left @ left).sum())
