import numpy as np
import tensorflow as tf

from tf_shortrun.core import means


def test_a_running_mean_has_hand_computed_values():
    """.75 * 2 + .25 * 6 = 3; momentum 0 gives the newest value, momentum 1 the old mean."""
    moved = [means.moved(tf.constant(2.0), tf.constant(6.0), m) for m in (0.75, 0.0, 1.0)]
    assert [float(x) for x in moved] == [3.0, 6.0, 2.0]


def test_replicas_share_one_mean_and_one_variable(two_replicas):
    with two_replicas.scope():
        kept = means.shared_variable(tf.zeros([2]))

    @tf.function
    def update():
        def follow():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            kept.assign(means.over_replicas(tf.cast([index, 10 * index], tf.float32)))
            return tf.convert_to_tensor(kept)

        return two_replicas.run(follow)

    for value in two_replicas.experimental_local_results(update()):
        np.testing.assert_array_equal(value, [0.5, 5.0])
    assert not kept.trainable
