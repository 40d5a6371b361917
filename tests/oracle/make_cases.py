#!/usr/bin/env python3
"""A small case of training for every family that transformers can build with a language head.

usage:  make_cases.py params.jsonl FAMILY_DIRECTORY > cases.jsonl      needs transformers; what cannot be built is told on stderr
        ORACLE/memory.py cases.jsonl > small.jsonl                     (memory.py leaves inline configs out: join them again by "id")

The configs are those of params.jsonl (which really build), or a class's defaults, with every extent made small and, as far as it
goes, unlike the others: what differs by one of them shows.
"""
import json, os, re, sys, warnings
warnings.filterwarnings("ignore")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
import torch, transformers
from transformers import AutoConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
transformers.logging.set_verbosity_error()

LAYERS, HEADS, KV, HIDDEN, DIM, WIDTH, VOCAB = 5, 6, 2, 192, 40, 352, 208
SMALL = {  # by key, wherever it is
    "num_hidden_layers": LAYERS, "n_layer": LAYERS, "n_layers": LAYERS, "num_layers": LAYERS, "encoder_layers": 5, "decoder_layers": 5,
    "num_decoder_layers": LAYERS, "num_encoder_layers": 5, "num_blocks": LAYERS,
    "num_attention_heads": HEADS, "n_head": HEADS, "n_heads": HEADS, "num_heads": HEADS, "encoder_attention_heads": HEADS,
    "decoder_attention_heads": HEADS, "num_encoder_attention_heads": HEADS, "num_decoder_attention_heads": HEADS,
    "num_key_value_heads": KV, "num_kv_heads": KV, "n_head_kv": KV, "head_dim": DIM, "d_kv": DIM, "d_head": 32, "global_head_dim": 48, "attention_head_dim": DIM,
    "hidden_size": HIDDEN, "d_model": HIDDEN, "n_embd": HIDDEN, "embedding_size": HIDDEN, "dim": HIDDEN, "emb_dim": HIDDEN, "attention_hidden_size": HIDDEN,
    "intermediate_size": WIDTH, "d_ff": WIDTH, "ffn_dim": WIDTH, "encoder_ffn_dim": WIDTH, "decoder_ffn_dim": WIDTH, "d_inner": WIDTH, "n_inner": WIDTH,
    "ffn_hidden_size": WIDTH, "ffn_intermediate_size": WIDTH, "hidden_dim": WIDTH, "lru_width": 224, "intermediate_size_mlp": 288,
    "vocab_size": VOCAB, "vocab_size_per_layer_input": VOCAB, "hidden_size_per_layer_input": 24, "n_ctx": 1024, "n_positions": 1024, "max_position_embeddings": 1024, "max_seq_len": 1024,
    "moe_intermediate_size": 112, "expert_ffn_hidden_size": 112, "shared_expert_intermediate_size": 96, "moe_shared_expert_intermediate_size": 96,
    "shared_intermediate_size": 96, "num_experts": 6, "num_local_experts": 6, "n_routed_experts": 6, "moe_num_experts": 6, "num_experts_per_tok": 2, "num_experts_per_token": 2,
    "moe_topk": 2, "moe_k": 2, "n_group": 1, "topk_group": 1, "num_expert_group": 1, "first_k_dense_replace": 1, "first_k_dense": 1, "num_dense_layers": 1,
    "q_lora_rank": 48, "kv_lora_rank": 56, "qk_nope_head_dim": 24, "qk_rope_head_dim": 16, "v_head_dim": 32,
    "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 24, "linear_value_head_dim": 40,
    "mamba_d_state": 16, "state_size": 16, "mamba_n_heads": 12, "n_mamba_heads": 12, "mamba_num_heads": 12, "mamba_n_groups": 2, "mamba_ngroups": 2, "mamba_d_head": 32,
    "mamba_head_dim": 32, "mamba_headdim": 32, "mamba_d_ssm": 384, "n_groups": 2, "chunk_size": 32, "mamba_chunk_size": 32, "time_step_rank": 12, "mamba_dt_rank": 12,
    "index_n_heads": 3, "index_head_dim": 32, "index_topk": 16, "sliding_window": 48, "attention_window_size": 48, "attention_chunk_size": 48, "router_hidden_size": 40, "hc_mult": 2,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "decoder_start_token_id": 1, "cls_token_id": 3, "sep_token_id": 4, "mask_token_id": 5, "unk_token_id": 6,
}
# what one type needs besides; null takes a key out
OWN = {
    "falcon": {"num_kv_heads": 1, "multi_query": True}, "mpt": {"n_heads": HEADS, "expansion_ratio": 2, "max_seq_len": 1024}, "gptj": {"rotary_dim": 16, "n_inner": None},
    "codegen": {"rotary_dim": 16, "n_head": 8, "n_inner": None}, "gpt_neo": {"attention_types": [[["global", "local"], 3]], "num_layers": 6, "attention_layers": None},
    "gpt2": {"n_inner": None}, "mamba": {"expand": 2, "intermediate_size": 384}, "falcon_mamba": {"intermediate_size": 384}, "mamba2": {"num_heads": 12, "head_dim": 32, "expand": 2},
    "jamba": {"attn_layer_period": 3, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1, "num_hidden_layers": 6, "head_dim": None},
    "recurrent_gemma": {"num_hidden_layers": 6, "block_types": ["recurrent", "recurrent", "attention"]}, "rwkv": {"attention_hidden_size": HIDDEN, "num_hidden_layers": 5, "context_length": 1024},
    "xlstm": {"num_heads": 6, "num_blocks": 5}, "zamba": {"num_hidden_layers": 6}, "zamba2": {"num_hidden_layers": 6}, "dbrx": {},
    "olmo_hybrid": {"num_hidden_layers": 6}, "nemotron_h": {"num_hidden_layers": 6}, "qwen3_next": {"num_hidden_layers": 8}, "qwen3_5_text": {"num_hidden_layers": 8},
    "xlnet": {"d_head": 32, "d_inner": WIDTH}, "reformer": {"axial_pos_shape": [16, 64], "axial_pos_embds_dim": [64, 128], "is_decoder": True, "attention_head_size": 32},
}
SHAPES = ("layer_types", "mlp_layer_types", "layers_block_type", "block_types", "mlp_only_layers", "no_rope_layers", "no_rope_layer_interval", "hybrid_layer_ids",
          "indexer_types", "attn_layer_indices", "attention_types", "attention_layers", "num_kv_shared_layers", "pad_token_id")
AUTOS = [("AutoModelForCausalLM", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES"), ("AutoModelForSeq2SeqLM", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES"),
         ("AutoModelForMaskedLM", "MODEL_FOR_MASKED_LM_MAPPING_NAMES")]


def shrink(d, depth=0):
    out = {}
    for k, v in d.items():
        if isinstance(v, dict):
            out[k] = shrink(v, depth + 1)
        elif k in SMALL and v is not None and not isinstance(v, (bool, list)) and not isinstance(v, float):
            out[k] = SMALL[k]
        elif k not in ("transformers_version", "_name_or_path", "architectures", "torch_dtype", "dtype"):
            out[k] = v
    return out


def cut(d, n):
    """Lists by layer to n entries, with every kind that they name."""
    for k, v in list(d.items()):
        if isinstance(v, dict):
            cut(v, n)
        elif isinstance(v, list) and len(v) > n and k.endswith(("_types", "_type", "layers", "_pattern")):
            kinds = list(dict.fromkeys(map(str, v)))
            d[k] = [v[[str(x) for x in v].index(kinds[i % len(kinds)])] for i in range(n)] if isinstance(v[0], str) else v[:n]


def layers_of(c):
    for k in ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_blocks"):
        if k in c:
            return c[k]
    return LAYERS


def candidates(kind, rows):
    own = OWN.get(kind, {})
    whole = CONFIG_MAPPING[kind]().to_dict()
    for keep in (None, SHAPES, SHAPES + ("rope_parameters", "rope_scaling")):
        c = {k: v for k, v in whole.items() if not keep or k not in keep}
        c = shrink(c)
        c.update(own)
        c = {k: v for k, v in c.items() if v is not None or k not in own}
        c["model_type"] = kind
        cut(c, layers_of(c))
        yield c
        yield {**c, "num_key_value_heads": HEADS} if "num_key_value_heads" in c else c
        yield {k: v for k, v in c.items() if k != "head_dim"}
    for r in rows:
        c = {**shrink({**{k: v for k, v in SMALL.items() if k in ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size")}, **r}), **own}
        yield {k: v for k, v in c.items() if v is not None}


def main():
    rows = {}
    for line in open(sys.argv[1]):
        r = json.loads(line)
        rows.setdefault(r["config"]["model_type"], []).append(r["config"])
    families = {f[:-5] for f in os.listdir(sys.argv[2]) if f.endswith(".yaml")}
    only = set(sys.argv[3:])
    from transformers.models.auto import modeling_auto
    sys.path.insert(0, os.environ.get("ORACLE", "."))
    import memory
    memory.patch()
    for kind in sorted(families & set(CONFIG_MAPPING)):
        if only and kind not in only:
            continue
        for auto, table in AUTOS:
            if kind not in getattr(modeling_auto, table):
                continue
            why = "no candidate"
            for c in candidates(kind, rows.get(kind, [])[:6]):
                case = {"id": kind, "mode": "training", "precision": "bf16", "attention": "flash", "batch": 2, "seq": 64, "optimizer": "adamw", "implementation": "fused",
                        "auto": auto, "config": json.loads(json.dumps(c, default=str))}
                if kind in getattr(modeling_auto, "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES") and auto == "AutoModelForSeq2SeqLM":
                    case["config"].pop("is_decoder", None)
                try:
                    res = memory.run(case)[0]
                except Exception as e:
                    first = why if why != "no candidate" else None
                    why = first or f"{type(e).__name__}: {str(e)[:150]}"
                    try:
                        case["attention"] = "eager"
                        res = memory.run(case)[0]
                    except Exception:
                        continue
                n = res["parameters"]
                if n > 2e8:
                    why = f"{n} parameters"
                    continue
                print(kind, auto, n, case["attention"], file=sys.stderr, flush=True)
                for more in ({"attention": "flash"}, {"attention": "eager"}, {"attention": case["attention"], "checkpointing": True}, {"attention": case["attention"], "precision": "fp32"}):
                    now = {**case, **more}
                    try:
                        res = memory.run(now)[0]
                        print(json.dumps({**now, **{k: v for k, v in res.items() if k != "config"}}), flush=True)
                    except Exception as e:
                        print(kind, auto, more, "FAILS", type(e).__name__, str(e)[:120], file=sys.stderr, flush=True)
                break
            else:
                print(kind, auto, "NOT BUILT", why, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
