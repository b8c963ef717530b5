{#- Lost requests by the table that shows the loss, each at the least and the most that its children allow: counts and amounts
    are told, times are gone with the request, and what has no row at all never happened (once it had the time to). -#}
{%- set lost = ref('int_lost_requests') -%}
{%- set facts = ref('int_source_facts') -%}
{%- set sources = ['requests', 'quotes', 'hires', 'quote_events', 'messages', 'support_tickets', 'assignments', 'any'] -%}
{%- set told = ['n_quotes', 'n_hires', 'n_refunded_hires', 'gmv', 'n_support_tickets', 'n_spam_flags'] -%}
{%- set most = {
    'first_quote_seconds': 'case when n_any_quotes > 0 then 0 end', 'n_quotes_24h': 'n_any_quotes',
    'first_hire_seconds': 'case when n_any_hires > 0 then 0 end'} -%}
{%- set least = {'first_quote_seconds': typed_null('double'), 'n_quotes_24h': '0', 'first_hire_seconds': typed_null('double')} -%}
{#- The columns that metrics are written in are those of request_metrics. -#}
{%- set described = ref('request_metrics') -%}
{%- set columns = request_columns() -%}
with experiments as (
    {{ experiments() }}
),

open_metrics as (

    select
        experiments.experiment_id
        {%- for m in metrics_mapping() %},
        case when experiments.window_end <= {{ as_of() }} then experiments.window_end else {{ as_of() }} end > (
            select {{ dbt.dateadd('second', -1 * (m.horizon | default(0) | int), 'min(coalesce(cutoff_at, ' ~ timestamp_literal('1970-01-01 00:00:00') ~ '))') }}
            from {{ facts }} where source_name in ({% for s in m.sources or ['requests'] %}{{ text_literal(s) }}{{ ', ' if not loop.last }}{% endfor %})
        ) as may_follow__{{ m.name }}
        {%- endfor %}
    from experiments

),

lost as (

    select lost.*{% for m in metrics_mapping() %}, coalesce(open_metrics.may_follow__{{ m.name }}, true) as may_follow__{{ m.name }}{% endfor %}
    from {{ lost }} as lost
    left join open_metrics on lost.experiment_id = open_metrics.experiment_id

),

{# A request is told once for each table that shows it, and once for any of them. -#}
shown as (

    {%- for source in sources %}
    select lost.*, {{ text_literal(source) }} as source_name
    from lost
    {% if source != 'any' -%} where is_in_{{ source }} = 1 {%- endif %}
    {{- ' union all' if not loop.last }}
    {%- endfor %}

),

final as (
    {%- for m in metrics_mapping() %}
    {%- set words = modules.re.findall('[A-Za-z_][A-Za-z_0-9]*', m.y ~ ' ' ~ (m.d or '')) -%}
    {%- set untold = words | select('in', columns) | reject('in', told + (most | list)) | list -%}
    {%- set at_least, at_most = at_reading(m.y, {'swap': least}), at_reading(m.y, {'swap': most}) -%}
    {%- set follows = 'may_follow__' ~ m.name -%}
    {%- if m.get('is_of_table') and m.kind in ('mean', 'ratio') -%}
    {#- Its own rows name no request that is there; they are counted apart. -#}
    {%- set low, high, d = '0', '0', ('0' if m.d else '1') -%}
    {%- elif untold or not is_like_built_in(m) -%}
    {%- set low, high, d = '0', ('1' if m.kind == 'share' else none), '1' -%}
    {%- elif m.kind == 'quantile' -%}
    {%- set low, high, d = 'case when ' ~ follows ~ ' then 0 else coalesce((' ~ at_most ~ '), ' ~ infinite() ~ ') end', at_least, '1' -%}
    {%- elif m.kind == 'share' -%}
    {%- set low, high, d = at_least, 'case when ' ~ follows ~ ' then 1 else (' ~ at_most ~ ') end', '1' -%}
    {%- else -%}
    {%- set low, high, d = at_least, at_most, m.d or '1' -%}
    {%- endif %}
    {%- set values = 'cast(' ~ low ~ ' as ' ~ sql_type('double') ~ ')', 'cast(' ~ (high or 'null') ~ ' as ' ~ sql_type('double') ~ ')', 'cast(' ~ d ~ ' as ' ~ sql_type('double') ~ ')' %}
    select
        experiment_id,
        source_name,
        {{ text_literal(m.name) }} as metric,
        variant,
        {{ values[0] }} as low,
        {{ values[1] }} as high,
        {{ values[2] }} as d,
        cast(count(*) as {{ sql_type('bigint') }}) as n_requests
    from shown
    group by experiment_id, source_name, variant, {{ values | join(', ') }}
    {%- if not loop.last %} union all {% endif %}
    {%- else %}
    select {{ typed_null('text') }} as experiment_id, {{ typed_null('text') }} as source_name, {{ typed_null('text') }} as metric,
        {{ typed_null('text') }} as variant, {{ typed_null('double') }} as low, {{ typed_null('double') }} as high, {{ typed_null('double') }} as d, {{ typed_null('bigint') }} as n_requests
    where 1 = 0
    {%- endfor %}
)

select * from final
