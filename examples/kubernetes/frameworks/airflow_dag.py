# A task of Airflow whose pod has an Istio sidecar, by the KubernetesPodOperator.
#
# Needs: Airflow 3 with apache-airflow-providers-cncf-kubernetes, and the image's command. In Airflow 2 `dag` is imported from
# airflow.decorators.
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import dag
from kubernetes.client import models as k8s

annotation = k8s.V1ObjectFieldSelector(field_path="metadata.annotations['sidecar.istio.io/status']")
mount = k8s.V1VolumeMount(name="wrapper-bin", mount_path="/wrapper-bin")

# What every task of these needs. The same names can be given to a whole DAG as its default_args.
under_wrapper = {
    "env_vars": [
        k8s.V1EnvVar(name="HOOK_ISTIO_SIDECAR", value_from=k8s.V1EnvVarSource(field_ref=annotation)),
        k8s.V1EnvVar(name="WRAPPER_PLUGIN_PATH", value="istio-wait:istio-quit"),
    ],
    "volumes": [k8s.V1Volume(name="wrapper-bin", empty_dir=k8s.V1EmptyDirVolumeSource())],
    "volume_mounts": [mount],
    "init_containers": [
        k8s.V1Container(
            name="wrapper-install",
            image="registry.example.com/wrapper:0.1.0",
            args=["--install", "/wrapper-bin/wrapper"],
            volume_mounts=[mount],
        )
    ],
    "labels": {"sidecar.istio.io/inject": "true"},
    "termination_grace_period": 60,
}


@dag
def nightly():
    KubernetesPodOperator(
        task_id="my-job",
        namespace="default",
        image="busybox:1.37",
        cmds=["/wrapper-bin/wrapper", "sh", "-c"],
        arguments=["echo hello from busybox"],
        **under_wrapper,
    )


nightly()
