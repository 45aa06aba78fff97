# SPDX-FileCopyrightText: The DEEPaaS developers
# SPDX-License-Identifier: Apache-2.0
"""Events as platforms send them, one of each kind."""

from typing import Any

MINIO: dict[str, Any] = {
    "Key": "demo/inputs/p1.json",
    "EventName": "s3:ObjectCreated:Put",
    "Records": [
        {
            "eventVersion": "2.0",
            "eventSource": "minio:s3",
            "awsRegion": "",
            "eventTime": "2026-01-01T00:00:00Z",
            "eventName": "s3:ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": {"name": "demo", "arn": "arn:aws:s3:::demo"},
                "object": {
                    "key": "inputs%2Fp1.json",
                    "size": 15,
                    "contentType": "application/json",
                },
            },
        }
    ],
}
S3: dict[str, Any] = {
    "Records": [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "awsRegion": "us-east-1",
            "s3": {
                "bucket": {"name": "scar-deepaas", "arn": "arn:aws:s3:::scar-deepaas"},
                "object": {"key": "audio/input/file+one.wav", "size": 9},
            },
        }
    ]
}
ONEDATA: dict[str, Any] = {
    "Key": "/my-onedata-space/files/file.txt",
    "Records": [
        {
            "objectKey": "file.txt",
            "objectId": "00000345",
            "eventTime": "2019-02-07T09:51:04.347823",
            "eventSource": "OneTrigger",
        }
    ],
}
DCACHE: dict[str, Any] = {
    "event": {"name": "image2.jpg", "mask": ["IN_CREATE"]},
    "subscription": "https://dcache.example:3880/api/v1/events/channels/x/subscriptions/inotify/y",
}
RUCIO: dict[str, Any] = {
    "event_type": "close",
    "payload": {"scope": "username", "name": "dataset_name"},
}
DELEGATED: dict[str, Any] = {"storage_provider": "default", "event": MINIO}
GATEWAY: dict[str, Any] = {
    "httpMethod": "POST",
    "headers": {"Content-Type": "application/json"},
    "queryStringParameters": {"k": "v"},
    "isBase64Encoded": False,
    "body": '{"n":1}',
}
GATEWAY_2: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "POST /predict",
    "rawPath": "/predict",
    "rawQueryString": "k=v",
    "headers": {"content-type": "application/json"},
    "queryStringParameters": {"k": "v"},
    "requestContext": {"http": {"method": "POST", "path": "/predict", "protocol": "HTTP/1.1"}},
    "body": '{"n": 1}',
    "isBase64Encoded": False,
}
SYNCHRONOUS: dict[str, Any] = {
    "size": 3,
    "oscar-files": [{"key": "files", "file_format": "jpg", "data": "eA=="}],
}
OPENWHISK: dict[str, Any] = {
    "value": {
        "__ow_method": "post",
        "__ow_path": "/v2/models/demo/predict/",
        "__ow_headers": {"content-type": "image/png", "accept": "application/json"},
        "__ow_query": "k=v",
        "__ow_body": "iVBORw==",
    }
}
CLOUD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "minio:s3..demo",
    "type": "com.amazonaws.s3.ObjectCreated",
    "subject": "inputs/p1.json",
    "time": "2026-01-01T00:00:00Z",
    "datacontenttype": "application/json",
    "data": {"bucket": "demo", "key": "inputs/p1.json"},
}
