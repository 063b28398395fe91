/* SPDX-License-Identifier: BSD-2-Clause */
/* Which fields a Caffe text may have. What is not known here, or set twice, is
 * refused by its name, as Caffe does: passed over it could change what is
 * computed. */
#include "formats/caffe/import.h"

/* Behind the bar stands what changes nothing outside training, or nothing but
 * how fast it is computed. */

static const char net_fields[] =
    "name input* input_dim* input_shape* layer* layers* | force_backward "
    "debug_info state";

/* Of both kinds of layers. Parameters of types that a layer is not of are
 * allowed to be there. */
static const char layer_fields[] =
    "name type bottom* top* include* exclude* | phase loss_weight* param* "
    "propagate_down* blobs_lr* weight_decay* blob_share_mode* "
    "accuracy_param argmax_param axpy_param batch_norm_param bias_param "
    "clip_param concat_param contrastive_loss_param convolution_param "
    "crop_param data_param dropout_param dummy_data_param eltwise_param "
    "elu_param embed_param exp_param flatten_param hdf5_data_param "
    "hdf5_output_param hinge_loss_param image_data_param infogain_loss_param "
    "inner_product_param input_param log_param loss_param lrn_param "
    "memory_data_param mvn_param parameter_param pooling_param power_param "
    "prelu_param python_param recurrent_param reduction_param relu_param "
    "reshape_param scale_param sigmoid_param slice_param softmax_param "
    "spp_param swish_param tanh_param threshold_param tile_param "
    "transform_param window_data_param";

static const char rule_fields[] = "phase min_level max_level stage* not_stage*";

static bool is_twice(const struct rn_prototxt *net,
                     const struct rn_prototxt_field *message,
                     const struct rn_prototxt_field *f)
{
    const struct rn_prototxt_field *other = f;

    while ((other = rn_prototxt_each(net, message, other)))
        if (rn_pb_same(other->name, f->name))
            return true;
    return false;
}

/* The first field of a message that is not of the words, or that is not one of
 * those with a star and there twice; NULL: all is well. */
static const struct rn_prototxt_field *
find_odd(const struct rn_prototxt *net, const struct rn_prototxt_field *message,
         const char *words, bool *twice)
{
    const struct rn_prototxt_field *f = NULL;

    *twice = false;
    while (message && (f = rn_prototxt_each(net, message, f))) {
        const char *word = rn_pb_word(f->name, words);

        *twice = word && word[f->name.size] != '*' && is_twice(net, message, f);
        if (!word || *twice)
            return f;
    }
    return NULL;
}

static const char *fault(bool twice)
{
    return twice ? "is there twice" : "is not known here";
}

int rn_caffe_known_net(const struct rn_prototxt *net, struct rn_error *err)
{
    bool twice;
    const struct rn_prototxt_field *f =
        find_odd(net, net->fields, net_fields, &twice);

    return f ? rn_fail(err, RN_ERR_DATA, "'%s': the network's field '%.*s' %s",
                       net->path, RN_PB_SHOW(f->name), fault(twice))
             : RN_OK;
}

void rn_caffe_known(struct rn_caffe *in,
                    const struct rn_prototxt_field *message, const char *words)
{
    bool twice;
    const struct rn_prototxt_field *f =
        find_odd(in->net, message, words, &twice);

    if (message && !message->message)
        rn_caffe_fail(in, "has '%.*s' as its %.*s, expected fields in braces",
                      RN_PB_SHOW(message->value), RN_PB_SHOW(message->name));
    if (f)
        rn_caffe_fail(in, "has the field '%.*s' in its %.*s, which %s",
                      RN_PB_SHOW(f->name), RN_PB_SHOW(message->name),
                      fault(twice));
}

void rn_caffe_known_layer(struct rn_caffe *in)
{
    const struct rn_prototxt_field *f = NULL;
    bool twice;

    f = find_odd(in->net, in->layer, layer_fields, &twice);
    if (f)
        rn_caffe_fail(in, "has the field '%.*s', which %s", RN_PB_SHOW(f->name),
                      fault(twice));
    for (f = NULL; (f = rn_prototxt_each(in->net, in->layer, f));)
        if (rn_pb_is(f->name, "include") || rn_pb_is(f->name, "exclude"))
            rn_caffe_known(in, f, rule_fields);
}
