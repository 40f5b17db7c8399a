"""Japanese."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.alerts.templates.en import WITHOUT_DECIMALS
from services.alerts.templates.words import Words

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal


def day(value: date) -> str:
    """Write a date: 2026年3月12日."""
    return f"{value.year}年{value.month}月{value.day}日"


def amount(value: Decimal, currency: str) -> str:
    """Write an amount a month: 月額 1,200.00 USD, 月額 120,000円."""
    places = 0 if currency in WITHOUT_DECIMALS else 2
    unit = "円" if currency == "JPY" else f" {currency}"
    return f"月額 {value:,.{places}f}{unit}"


WORDS = Words(
    language="ja",
    day=day,
    amount=amount,
    signals={
        "champion_left": "推進担当者が離任しました",
        "champion_may_have_left": "推進担当者が離任した可能性があります",
        "usage_drop": "利用が減少しています",
        "low_roi": "投資対効果が不足しています",
        "value_behind_plan": "成果が計画を下回っています",
        "value_unproven": "成果がまだ確認されていません",
    },
    severities={"low": "低", "medium": "中", "high": "高", "critical": "重大"},
    title="{account}：{signal}",
    severity="重要度",
    since="発生日時",
    mrr="影響するMRR",
    renewal="更新日",
    owner="担当者",
    person="対象者",
    probability="確度",
    nobody="未割り当て",
    unknown="不明",
    evidence="確認された事実",
    no_evidence="詳細はありません。",
    next_step="次のアクション",
    no_next_step="アカウントの状況を確認し、お客様に連絡してください。",
    more="… ほか{count}件",
    acknowledge="確認した",
    verdicts={
        "true": "対応済み（事実だった）",
        "false_alarm": "誤検知",
        "duplicate": "重複",
        "known": "把握済み",
    },
    repeated="以前の送信の到達を確認できなかったため、同じ内容が重複している可能性があります。",
    missing="送信時点で一部のデータが届いていません：{topics}",
    late="この情報は遅れて届きました。",
    fallback="担当者に連絡できなかったため、お送りしています。",
    summary_title="対応待ちのアラートが{count}件あります",
    summary_title_one="対応待ちのアラートが1件あります",
    summary_accounts="アカウント数",
    summary_line="{account}：{signal}（重要度：{severity}）、{since}から、{mrr}",
    summary_by_mrr="影響するMRRの大きい順",
    summary_by_severity="重要度の高い順",
    summary_next_mrr="影響の最も大きい先頭のアカウントから確認してください。",
    summary_next_severe="最も重要度の高い先頭のアラートから確認してください。",
    page_question="このアラートについて記録しますか？",
    page_done="記録しました。ありがとうございます。",
    page_already="すでに記録されています。変更はありません。",
    page_bad="このリンクは無効です。メッセージからもう一度開いてください。",
    page_expired="このリンクの有効期限が切れています。",
    page_gone="このアラートはすでに解決済みです。変更はありません。",
    mail_footer="このアカウントのご担当としてKizunaからお送りしています。",
)
